import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from queue_store.redaction import redact

from .errors import meaning_of
from .frame import json_option, say, write_json

if TYPE_CHECKING:
    from queue_store.alerting.findings import Finding

# The exit codes of Nagios. Nagios has no code for an emergency, so an emergency has the code for critical. The exit
# code for wrong usage is 64 in every command.
EXIT_CODES = {"healthy": 0, "warning": 1, "critical": 2, "emergency": 2}
UNKNOWN = 3
LEVELS = tuple(EXIT_CODES)
FIRST_LINE_LENGTH = 300


@click.command()
@click.option("--notify", is_flag=True, help="Store the alerts and notify the contacts, as the worker does.")
@click.option(
    "--fail-on",
    type=click.Choice(LEVELS[1:]),
    default=LEVELS[1],
    show_default=True,
    help="Exit with 0 if every finding is below this level. Use this if a probe treats all exit codes but 0 alike.",
)
@click.option("--database", is_flag=True, help="Show the database's connections and its longest transaction.")
@click.option("--performance", is_flag=True, help="Show rates and the top errors of the last 24 hours.")
@json_option
def check(notify: bool, fail_on: str, database: bool, performance: bool, as_json: bool) -> None:
    """Judge the queue. The command needs no worker and no beat. Without CELERY_BROKER_URL, the command does not judge
    the broker.

    The first line sums up the result. Exit code, as in Nagios: 0 healthy, 1 warning, 2 critical or emergency, 3 the
    queue cannot be judged.
    """
    try:
        level = _check(notify, database, performance, as_json)
    except Exception as error:  # otherwise Python would exit with 1, which means "warning"
        failure = meaning_of(error)
        if failure is None:
            logging.getLogger(__name__).exception("check failed")
        message = failure.message if failure else f"{type(error).__name__}, which is a fault of this program"
        _say_unknown(message, as_json)
        raise SystemExit(UNKNOWN) from None
    fails = LEVELS.index(level) >= LEVELS.index(fail_on)
    raise SystemExit(EXIT_CODES[level] if fails else 0)


def _say_unknown(message: str, as_json: bool) -> None:
    if as_json:
        write_json({"health": "unknown", "error": redact(message), "exit_code": UNKNOWN})
    else:
        say(f"{_first_line('unknown', [message])}\nError: {message}")


def _check(notify: bool, database: bool, performance: bool, as_json: bool) -> str:
    from queue_store.alerting.findings import worst_level
    from queue_store.settings import load_processor_settings

    from ..alerts.checking import check_queue
    from ..monitoring.databases import database_named

    result = check_queue(
        database_named(), load_processor_settings(), notify=notify, process_kind="queuectl check"
    )
    level = worst_level(result.findings)
    reachable = not any(f.code == "database_unreachable" for f in result.findings)
    details = _details(database, performance) if reachable else {}
    if as_json:
        write_json(
            {
                "health": level,
                "findings": [finding.as_dict() for finding in result.findings],
                "notifications_sent": result.notifications_sent,
                "notices_sent": result.notifications_sent,  # the old name; the next version removes it
                **details,
            }
        )
    else:
        _show_findings(level, result.findings)
        _show(details)
    return level


def _show_findings(level: str, findings: "Sequence[Finding]") -> None:
    say(_first_line(level, [finding.message for finding in findings]))
    for finding in findings:
        say(f"{finding.level.upper()} {finding.message}\n  Next: {finding.next_step}")


def _first_line(level: str, messages: Sequence[str]) -> str:
    """The first line of the output. Nagios shows only this line, and would read text after a | as a measurement. So
    each | becomes a slash."""
    if not messages:
        return f"Queue health: {level}"
    worst = " ".join(messages[0].split()).replace("|", "/")
    if len(worst) > FIRST_LINE_LENGTH:
        worst = worst[:FIRST_LINE_LENGTH] + "…"
    others = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return f"Queue health: {level} - {worst}{others}"


def _details(database: bool, performance: bool) -> dict[str, object]:
    from ..health import connection_pool_monitoring
    from ..monitoring import processing_performance_monitoring

    details: dict[str, object] = {}
    if database:
        details["database"] = connection_pool_monitoring()
    if performance:
        details["performance"] = processing_performance_monitoring(24)
    return details


def _show(details: dict[str, object]) -> None:
    for name, values in details.items():
        say(f"{name.capitalize()}:")
        for line in _lines(values, "  "):
            say(line)


def _lines(value: object, indent: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{indent}{value}"]
    lines: list[str] = []
    for key, inner in value.items():
        if isinstance(inner, dict):
            lines += [f"{indent}{key}:", *_lines(inner, indent + "  ")]
        elif isinstance(inner, list) and inner and isinstance(inner[0], dict):
            lines += [f"{indent}{key}:"] + [f"{indent}  - {_short(item)}" for item in inner]
        else:
            lines.append(f"{indent}{key}: {inner}")
    return lines


def _short(item: dict[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in item.items())
