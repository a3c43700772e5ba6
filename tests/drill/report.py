"""Writes the report of a drill."""

from collections.abc import Iterable, Sequence

from tests.drill.drilling import Drilled


def write_report(results: Sequence[Drilled], seconds: float, made_by: str) -> str:
    good = sum(drilled.is_good for drilled in results)
    longest = max((d.found_seconds or 0 for d in results), default=0)
    return (
        "# The drill\n\n"
        f"**For {good} of {len(results)} troubles, the monitoring reported the expected findings and no others.** The "
        "drill causes each trouble on real workers and a real beat. Before each trouble there is no finding. After it "
        f"is mended, there is no finding and no open alert. The slowest report came after {longest:.0f} s. The whole "
        f"drill took {seconds / 60:.0f} minutes.\n\n{made_by}\n\n"
        "*Found*: the time until a judgement has exactly the expected findings. *Mended*: the time from the repair "
        "until there is no finding and no open alert. *In passing*: other findings that may appear for a moment "
        "before or after. *Prepared*: what the drill writes or shortens, so that it need not wait.\n\n"
        "| trouble | findings | found | mended | in passing | prepared |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        + "".join(_row(drilled) for drilled in results)
        + _wrong(results)
    )


def _row(drilled: Drilled) -> str:
    trouble = drilled.trouble
    return (
        f"| {trouble.name} | {_codes(trouble.codes)} | {_seconds(drilled.found_seconds)} | "
        f"{_seconds(drilled.mended_seconds)} | {_codes(trouble.passing - trouble.codes)} | {trouble.written} |\n"
    )


def _codes(codes: Iterable[str]) -> str:
    return ", ".join(f"`{code}`" for code in sorted(codes))


def _seconds(seconds: float | None) -> str:
    return "**never**" if seconds is None else f"{seconds:.1f} s"


def _wrong(results: Sequence[Drilled]) -> str:
    lines = [
        f"- {drilled.trouble.name}, {phase}: {text}\n"
        for drilled in results
        for phase, texts in drilled.wrong.items()
        for text in texts
    ]
    return "\n## What was wrong\n\n" + "".join(lines) if lines else ""
