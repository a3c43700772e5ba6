"""`make drill`: causes each trouble in turn, and writes a report. Exits with 1 if a trouble was not reported or not
mended in time, or if anything else was reported."""

import argparse
import sys
import time
from pathlib import Path

from tests.drill import troubles
from tests.drill.report import write_report
from tests.drill.run import drills, run_all
from tests.drill.trouble import TROUBLES
from tests.support.evidence import made_by


def main() -> int:
    parser = argparse.ArgumentParser(prog="make drill", description=__doc__)
    parser.add_argument(
        "words", nargs="*", help="cause the troubles whose name or findings contain one of these words"
    )
    parser.add_argument("--list", action="store_true", help="name the troubles, and cause none")
    parser.add_argument("--report", type=Path, help="where to write the report (Markdown)")
    chosen = parser.parse_args()
    assert troubles.__all__
    wanted = [t for t in TROUBLES.values() if _is_meant(f"{t.name} {' '.join(t.codes)}", chosen.words)]
    if chosen.list:
        sys.stdout.writelines(f"{t.name}: {', '.join(sorted(t.codes))}\n" for t in wanted)
        return 0
    started = time.monotonic()
    with drills() as running:
        results = run_all(sorted(wanted, key=lambda t: (not t.keeps_fleet, sorted(t.settings))), running)
        made = made_by("make drill", running.postgres_url, running.redis_url)
    text = write_report(results, time.monotonic() - started, made)
    if chosen.report:
        chosen.report.write_text(text)
    sys.stdout.write(text)
    return 0 if all(drilled.is_good for drilled in results) else 1


def _is_meant(text: str, words: list[str]) -> bool:
    return not words or any(word in text for word in words)


if __name__ == "__main__":
    sys.exit(main())
