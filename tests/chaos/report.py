"""What a chaos run found, for people."""

import platform
import subprocess
from importlib.metadata import version

from tests.chaos.ledger import RULES
from tests.chaos.run import Report
from tests.workers.processes import ROOT


def write_report(report: Report) -> str:
    parts = [
        _head(report),
        _table(["phase", "seconds"], [[phase, f"{s:.1f}"] for phase, s in report.seconds.items()]),
        "## Faults\n\nEach one was seen to happen; skipped ones had nothing to hurt.",
        _faults(report),
        "## Recovery\n\nSeconds from the fault until the first record that it took from its owner ran again.",
        _recovery(report),
        "## Outside effects\n\n" + _repeats(report),
        "## Rules\n\n" + _rules(report),
        "## Processes that ended by themselves\n\n" + _ends(report),
    ]
    return "\n\n".join(parts) + "\n"


def _head(report: Report) -> str:
    verdict = (
        "No rule was broken." if not report.violations else f"{len(report.violations)} rule(s) were broken."
    )
    return (
        f"# Chaos run, seed {report.seed}\n\n"
        f"{verdict} {report.record_count:,} records, {report.fault_count:,} faults, at most "
        f"{report.most_hints} hints outstanding.\n\n"
        f"Started {report.started_at}, at commit {_commit()}, Python {platform.python_version()}, "
        f"Celery {version('celery')}, psycopg {version('psycopg')}, {platform.system()} {platform.release()}."
    )


def _faults(report: Report) -> str:
    names = sorted({*report.faults, *report.skipped})
    rows = [[name, str(report.faults[name]), str(report.skipped[name])] for name in names]
    return _table(["fault", "happened", "skipped"], rows)


def _recovery(report: Report) -> str:
    keys = ["count", "p50", "p99", "max"]
    rows = [[fault, *(str(seconds[key]) for key in keys)] for fault, seconds in report.recoveries.items()]
    return _table(["fault", *keys], rows)


def _repeats(report: Report) -> str:
    kills = sum(report.faults[name] for name in report.faults if name != "delay_connections")
    return (
        f"{report.repeated_records:,} of {report.record_count:,} records had their effect outside of any "
        f"transaction more than once ({report.repeated_records / max(1, kills):.2f} for each fault), one of them "
        f"{report.most_calls} times. These are at-least-once by nature."
    )


def _rules(report: Report) -> str:
    lines = []
    for rule in [*RULES, *(r for r in report.violations if r not in RULES)]:
        broken = report.violations.get(rule)
        lines.append(f"- never: {rule}" + (f": **broken**, for example {broken}" if broken else ""))
    return "\n".join(lines)


def _ends(report: Report) -> str:
    return "\n".join(f"- {end}" for end in report.unexpected_ends) or "None."


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _commit() -> str:
    answer = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "unknown"
