"""`make chaos`: a run of chosen length, and its report. Exits with 1 when a rule was broken."""

import argparse
import sys
from pathlib import Path

from tests.chaos.faults import LONG, SHORT
from tests.chaos.report import write_report
from tests.chaos.run import ChaosRun
from tests.servers import reachable_directory

SHORT_RECORDS, SHORT_SECONDS, SHORT_DRAIN_SECONDS = 36_000, 60.0, 60.0
LONG_RECORDS, LONG_SECONDS, LONG_DRAIN_SECONDS = 1_020_000, 1_200.0, 600.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--long", action="store_true", help="a million records and two thousand faults")
    parser.add_argument("--seed", type=int, default=1, help="which schedule of faults")
    parser.add_argument("--report", type=Path, help="where to write the report (Markdown)")
    chosen = parser.parse_args()
    counts, records, seconds, drain = (
        (LONG, LONG_RECORDS, LONG_SECONDS, LONG_DRAIN_SECONDS)
        if chosen.long
        else (SHORT, SHORT_RECORDS, SHORT_SECONDS, SHORT_DRAIN_SECONDS)
    )
    with reachable_directory() as directory:
        report = ChaosRun(directory, counts, records, seconds, chosen.seed).execute(drain)
    text = write_report(report)
    if chosen.report:
        chosen.report.write_text(text)
    sys.stdout.write(text)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
