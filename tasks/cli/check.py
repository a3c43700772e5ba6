import logging

import click

from queue_store.redaction import redact

from .frame import json_option, say, write_json

CANNOT_JUDGE = 3
INTERNAL_ERROR = 4
EXIT_CODES = {"healthy": 0, "warning": 1, "critical": 2, "emergency": 3}


@click.command()
@click.option("--notify", is_flag=True, help="Store the alerts and notify the contacts, as the worker does.")
@click.option("--database", is_flag=True, help="Show the database's connections and its longest transaction.")
@click.option("--performance", is_flag=True, help="Show rates and the top errors of the last 24 hours.")
@json_option
def check(notify: bool, database: bool, performance: bool, as_json: bool) -> None:
    """Judge the queue, without any worker or beat.

    Exit code: 0 healthy, 1 warning, 2 critical, 3 emergency, or nothing can be judged; 4 an error of this program.
    """
    import psycopg

    from queue_store.errors import QueueStoreError

    try:
        level = _check(notify, database, performance, as_json)
    except (QueueStoreError, psycopg.Error) as error:
        if as_json:
            write_json({"health": "unknown", "error": redact(str(error))})
        say(f"Queue health: unknown\nError: {error}", err=True)
        raise SystemExit(CANNOT_JUDGE) from None
    except Exception as error:  # the exit code of a level would be taken for a judgement
        logging.getLogger(__name__).exception("check failed")
        say(
            f"Queue health: unknown\nError: {type(error).__name__}, which is a fault of this program",
            err=True,
        )
        raise SystemExit(INTERNAL_ERROR) from None
    raise SystemExit(EXIT_CODES[level])


def _check(notify: bool, database: bool, performance: bool, as_json: bool) -> str:
    from queue_store.alerting.findings import worst_level
    from queue_store.settings import load_processor_settings

    from ..alerts.checking import check_queue
    from ..monitoring.databases import database_named

    result = check_queue(database_named(), load_processor_settings(), notify=notify)
    level = worst_level(result.findings)
    reachable = not any(f.code == "database_unreachable" for f in result.findings)
    details = _details(database, performance) if reachable else {}
    if as_json:
        write_json(
            {
                "health": level,
                "findings": [finding.as_dict() for finding in result.findings],
                "notifications_sent": result.notifications_sent,
                "notices_sent": result.notifications_sent,  # the old name, for one version
                **details,
            }
        )
    else:
        say(f"Queue health: {level}")
        for finding in result.findings:
            say(f"{finding.level.upper()} {finding.message}\n  Next: {finding.next_step}")
        _show(details)
    return level


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
