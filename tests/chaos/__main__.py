"""`make chaos`: a run of chosen length, and its report. Exits with 1 if a rule was broken or a quota was not reached,
and with 75 if nothing could be tested, because a program is missing."""

import argparse
import sys
from pathlib import Path

from tests.chaos.plans import LONG, SHORT, sized
from tests.chaos.report import write_report, write_verdict
from tests.chaos.run import ChaosRun
from tests.support.pgbouncer import MISSING, program
from tests.support.servers import reachable_directory

NOT_DONE = 75  # .ci/run counts such a check as skipped


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--long", action="store_true", help="a million records and two thousand faults")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the schedule of faults")
    parser.add_argument(
        "--report", type=Path, help="where to write the report (Markdown); the proofs go next to it"
    )
    parser.add_argument("--pgbouncer", action="store_true", help="reach Postgres through PgBouncer")
    parser.add_argument(
        "--express", action="store_true", help="use express runs for each flow that allows them"
    )
    parser.add_argument("--records", type=int, help="the number of records; the pace stays the same")
    parser.add_argument("--faults", type=int, help="the number of faults; the pace stays the same")
    chosen = parser.parse_args()
    if chosen.pgbouncer and program() is None:
        sys.stderr.write(f"{MISSING}. No fault was injected.\n")
        return NOT_DONE
    proofs = chosen.report.with_suffix(".jsonl") if chosen.report else None
    plan = sized(LONG if chosen.long else SHORT, chosen.records, chosen.faults, express=chosen.express)
    with reachable_directory() as directory:
        run = ChaosRun(
            directory, plan, chosen.seed, proofs, pgbouncer=chosen.pgbouncer, express=chosen.express
        )
        result = run.execute()
        text = write_report(result)
    if chosen.report:
        chosen.report.write_text(text)
    sys.stdout.write(text + write_verdict(result))
    return 1 if result.is_bad else 0


if __name__ == "__main__":
    sys.exit(main())
