"""Settings from environment variables. The names of the variables are `<ENVIRONMENT>_DISTRIBUTED_PROCESSOR_<SETTING>`
and `<ENVIRONMENT>_GLOBAL_<DATABASE>_<SETTING>`. The default of `<ENVIRONMENT>` is DEVELOPMENT.

Every setting is defined here once, with its default and its bounds. All wrong settings are reported together.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, cast

from queue_store.database_url import DatabaseUrl, parse_database_url
from queue_store.errors import SettingsError
from queue_store.setting_fields import (
    PUBLIC,
    contact,
    parse_log_format,
    parse_names,
    parse_schema,
    parse_switch,
    parse_timezone,
    parsed,
    real,
    whole,
)
from queue_store.suggestions import closest, did_you_mean
from queue_store.thresholds import Thresholds, parse_thresholds

DEFAULT_DATABASE = "rpa_db"


@dataclass(frozen=True, slots=True)
class ProcessorSettings:
    """How records are processed. The variable of each setting is `<ENVIRONMENT>_DISTRIBUTED_PROCESSOR_`, followed by
    the setting's name in capitals."""

    schema: str = parsed(PUBLIC, parse_schema)  # the database schema that holds the queue
    batch_size: int = whole(100, 1, 10_000)
    express_batch_size: int = whole(500, 0, 10_000)  # 0: no flow is express
    express_by_itself: bool = parsed(True, parse_switch)  # False: only flows with express=True are express
    max_retries: int = whole(3, 0, 1_000)
    cleanup_timeout_hours: float = real(2, 0.001, 24 * 365)
    containers: int = whole(3, 1, 10_000)
    heartbeat_seconds: float = real(2, 0.05, 60)
    lease_seconds: float = real(10, 0.2, 3600)
    time_slice_seconds: float = real(5, 0.1, 3600)
    micro_batch_seconds: float = real(0.5, 0, 1)
    idle_poll_seconds: float = real(5, 0.1, 3600)
    fan_out_seconds: float = real(2, 0.1, 3600)
    cursor_seconds: float = real(2, 0, 60)
    aging_claims: int = whole(20, 2, 1_000_000)
    statement_timeout_seconds: float = real(
        600, 1, 86_400
    )  # for workers, including the statements of handlers
    lock_timeout_seconds: float = real(60, 1, 86_400)
    max_memory_mb: int = whole(
        0, 0, 1_048_576
    )  # the limit of one worker process; 0: only the container's limit
    max_crash_strikes: int = whole(3, 1, 1_000)
    max_unfinished_claims: int = whole(5, 1, 1_000)  # after this many in a row, the record is claimed alone
    payload_limit_bytes: int = whole(65_536, 256, 1_048_576)
    timezone: str = parsed("UTC", parse_timezone)
    show_payloads: bool = parsed(False, parse_switch)
    tracing: bool = parsed(False, parse_switch)
    flow_modules: tuple[str, ...] = parsed(("processing_queue.flows.survey_processor",), parse_names)
    # The flows for which a Celery message may enqueue records; * means all flows.
    enqueue_by_message: tuple[str, ...] = parsed((), parse_names)
    proxy_user_header: str = parsed("", str)  # the header in which a proxy in front of Flower names the user
    log_format: str = parsed("text", parse_log_format)
    heartbeat_file: str = parsed("", str)  # touched at each heartbeat, for the health checks of containers
    alert_thresholds: Thresholds = field(default_factory=Thresholds, metadata={"parse": parse_thresholds})
    stop_reminder_hours: float = real(1, 0, 24 * 365)  # a stop that lasts longer is a finding
    baseline_drop_percent: float = real(50, 1, 99)
    capacity_rate_per_hour: float = real(12, 0.01, 1_000_000)
    contact_primary: tuple[str, ...] = contact()
    contact_secondary: tuple[str, ...] = contact()
    contact_database_administrator: tuple[str, ...] = contact()
    contact_infrastructure: tuple[str, ...] = contact()
    contact_management: tuple[str, ...] = contact()
    report_recipients: tuple[str, ...] = contact()
    webhook_hosts: tuple[str, ...] = parsed((), parse_names)
    state_directory: str = parsed("", str)
    retention_completed_days: float = real(30, 0.01, 36_500)
    retention_failed_days: float = real(7, 0.01, 36_500)
    retention_failed_minimum_retries: int = whole(5, 0, 1_000)
    retention_any_failed_days: float = real(0, 0, 36_500)
    retention_cancelled_days: float = real(30, 0.01, 36_500)
    retention_history_days: float = real(35, 1, 36_500)
    retention_audit_days: float = real(400, 1, 36_500)


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """How to reach one named database. The variable of each setting is `<ENVIRONMENT>_GLOBAL_<DATABASE>_`, followed by
    the setting's name in capitals."""

    url: DatabaseUrl = field(repr=False)
    replica_url: DatabaseUrl | None = field(default=None, repr=False)
    pool_size: int = whole(6, 1, 1_000)
    max_overflow: int = whole(12, 0, 1_000)
    pgbouncer: bool = parsed(False, parse_switch)


def load_processor_settings(environ: Mapping[str, str] = os.environ) -> ProcessorSettings:
    """Raises a SettingsError that names every wrong and every unknown setting."""
    prefix = f"{environment_name(environ)}_DISTRIBUTED_PROCESSOR_"
    values, problems = _read(ProcessorSettings, prefix, environ)
    settings = ProcessorSettings(**values)
    if settings.lease_seconds < 2.5 * settings.heartbeat_seconds:
        problems.append(f"{prefix}LEASE_SECONDS must be at least 2.5 times {prefix}HEARTBEAT_SECONDS")
    if problems:
        raise SettingsError(problems)
    return settings


def load_database_settings(
    name: str = DEFAULT_DATABASE, environ: Mapping[str, str] = os.environ
) -> DatabaseSettings:
    """For the default database, `DATABASE_URL` takes precedence if it is set. Raises SettingsError."""
    prefix = f"{environment_name(environ)}_GLOBAL_{name.upper()}_"
    values, problems = _read(DatabaseSettings, prefix, environ, skip={"url", "replica_url"})
    url_names = _url_names(name, environ)
    url_name = next((n for n in url_names if environ.get(n)), None)
    if url_name is None:
        problems.append(f"{' or '.join(url_names)} is missing: the URL of the Postgres database {name}")
    for key, variable in (("url", url_name), ("replica_url", f"{prefix}REPLICA_URL")):
        if variable and environ.get(variable):
            try:
                values[key] = parse_database_url(environ[variable])
            except ValueError as error:
                problems.append(f"{variable} {error}")
    values.setdefault("pool_size", default_pool_size(_containers(environ)))
    values.setdefault("max_overflow", 2 * values["pool_size"])
    if problems:
        raise SettingsError(problems)
    return DatabaseSettings(**values)


def wrong_settings(*, database_is_needed: bool = True) -> list[str]:
    """All problems that `load_processor_settings` and `load_database_settings` report. If no database is needed and no
    URL is set, the settings of the database are not checked."""
    problems: list[str] = []
    for load in (load_processor_settings, load_database_settings if database_is_needed else _load_configured):
        try:
            load()
        except SettingsError as error:
            problems += error.problems
    return problems


def default_pool_size(containers: int) -> int:
    """Two connections for each container, but at least five, as the operations runbook says."""
    return max(5, containers * 2)


def environment_name(environ: Mapping[str, str] = os.environ) -> str:
    name = environ.get("ENVIRONMENT") or "DEVELOPMENT"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise SettingsError(["ENVIRONMENT must be a word such as DEVELOPMENT or PRODUCTION"])
    return name.upper()


def database_url_text(environ: Mapping[str, str] = os.environ) -> str:
    """The URL of the default database as it was given. Returns an empty string if the URL is missing, or if another
    setting of the default database is wrong (REPLICA_URL is not checked)."""
    prefix = f"{environment_name(environ)}_GLOBAL_{DEFAULT_DATABASE.upper()}_"
    if _read(DatabaseSettings, prefix, environ, skip={"url", "replica_url"})[1]:
        return ""
    return next((text for name in _url_names(DEFAULT_DATABASE, environ) if (text := environ.get(name))), "")


def _load_configured() -> None:
    if any(os.environ.get(name) for name in _url_names(DEFAULT_DATABASE, os.environ)):
        load_database_settings()


def _url_names(database: str, environ: Mapping[str, str]) -> list[str]:
    """The variables that may hold the URL, in order of precedence."""
    own = f"{environment_name(environ)}_GLOBAL_{database.upper()}_URL"
    return ["DATABASE_URL", own] if database == DEFAULT_DATABASE else [own]


def _containers(environ: Mapping[str, str]) -> int:
    try:
        return load_processor_settings(environ).containers
    except SettingsError:
        return ProcessorSettings().containers


def _read(
    kind: type,
    prefix: str,
    environ: Mapping[str, str],
    skip: set[str] = frozenset(),  # type: ignore[assignment]
) -> tuple[dict[str, Any], list[str]]:
    known = {f.name for f in fields(kind)}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for f in fields(kind):
        text = environ.get(prefix + f.name.upper())
        if text is None or f.name in skip or (text == "" and f.default is not MISSING):
            continue
        try:
            values[f.name] = cast(Callable[[str], Any], f.metadata["parse"])(text)
        except ValueError as error:
            problems.append(f"{prefix}{f.name.upper()} {error}")
    strangers = (v for v in environ if v.startswith(prefix) and v[len(prefix) :].lower() not in known)
    problems.extend(_unknown(variable, prefix, known) for variable in strangers)
    return values, problems


def _unknown(variable: str, prefix: str, known: set[str]) -> str:
    name = closest(variable.removeprefix(prefix), known)
    return f"{variable} is not a setting{did_you_mean(prefix + name.upper() if name else None)}"
