"""Writes the report of a drill."""

from collections.abc import Iterable, Sequence

from tests.drill.drilling import Drilled


def write_report(results: Sequence[Drilled], seconds: float, made_by: str) -> str:
    good = sum(drilled.is_good for drilled in results)
    longest = max((d.found_seconds or 0 for d in results), default=0)
    return (
        "# The drill\n\n"
        f"**{good} of {len(results)} troubles were told as what they are, and as nothing else.** Each was made for "
        "real, on a fleet of real workers and beat. Before it nothing was found. After it was mended nothing was "
        f"found, and no alert was open. The slowest was found after {longest:.0f} s; all took {seconds / 60:.0f} "
        f"minutes.\n\n{made_by}\n\n"
        "*Found*: seconds until a judgement names it, alone. *Mended*: until nothing is found and no alert is open. "
        "*In passing*: what may be seen for a moment on the way there, or while it mends; anything else is wrong.\n\n"
        "| trouble | findings | found | mended | in passing | shortened or written |\n"
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
