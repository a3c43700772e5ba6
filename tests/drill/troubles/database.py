"""Postgres is unavailable, slow, read-only or short of connections, or a transaction stays open too long."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
from sqlalchemy.engine import make_url

from queue_store.readings import server
from tasks.monitoring.databases import database_named
from tasks.monitoring.rules.database_rules import HELD_SNAPSHOT_SECONDS
from tests.chaos.proxy import Proxy
from tests.drill.drilling import look
from tests.drill.fleet import CONNECTION_LIMIT, LOGIN, Fleet
from tests.drill.trouble import HEALED, trouble

# When Postgres comes back, silent processes are declared dead only after one lease. Beat writes its first heartbeat
# after the outage only when it looks at the schedule again.
COMES_TO_ITSELF_SECONDS = 10.0
COMING_BACK = ("database_unreachable", "beat_silent")


@trouble("Postgres is stopped", "database_unreachable", passing=COMING_BACK)
def stopped(fleet: Fleet) -> Iterator[None]:
    fleet.servers.postgres.stop()
    yield
    fleet.servers.postgres.start()


@trouble(
    "Postgres hangs: it accepts connections and answers nothing",
    "database_unreachable",
    passing=[*COMING_BACK, "worker_deaths"],
    seconds=120,
    written="A judgement waits 30 s for an answer. Processes that cannot send a heartbeat in that time count as dead, "
    "and the alert about these deaths lasts an hour. To avoid waiting for that hour, the drill backdates the deaths by "
    "two hours.",
)
def hangs(fleet: Fleet) -> Iterator[None]:
    postmaster = psutil.Process(fleet.servers.postgres.process.pid)
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    yield
    for process in processes:
        process.send_signal(signal.SIGCONT)
    time.sleep(COMES_TO_ITSELF_SECONDS)
    fleet.execute(HEALED)


@trouble(
    "another application uses up the connections",
    "database_unreachable",
    says="billing",
    passing=[*COMING_BACK, "server_connections"],
)
def used_up(fleet: Fleet) -> Iterator[None]:
    with ExitStack() as stack:
        open_connections(fleet, stack, int(CONNECTION_LIMIT * 0.85))
        look()  # notes who holds the connections, while one connection is still free
        database_named().dispose()
        with suppress(psycopg.OperationalError):
            open_connections(fleet, stack, CONNECTION_LIMIT)
        yield


@trouble(
    "another application opens most of the connections", "server_connections", says="billing", is_quick=True
)
def nearly_used_up(fleet: Fleet) -> Iterator[None]:
    with ExitStack() as stack:
        open_connections(fleet, stack, int(CONNECTION_LIMIT * 0.85))
        yield


@trouble(
    "an application leaves connections in a transaction",
    "idle_in_transaction",
    shortened=[(server, "LONG_IDLE_SECONDS", 2.0)],
    written="The drill lowers the threshold from 60 s to 2 s.",
    is_quick=True,
)
def idle_in_transaction(fleet: Fleet) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(6):
            connection = stack.enter_context(fleet.connect(fleet.url, "shop"))
            connection.execute("BEGIN")
            connection.execute("SELECT 1")
        yield


@trouble(
    "a report keeps its transaction open",
    "held_snapshot",
    says="monthly report",
    shortened=[(HELD_SNAPSHOT_SECONDS, "warning", 3.0)],
    written="The drill lowers the threshold from 5 minutes to 3 s.",
    is_quick=True,
)
def held_snapshot(fleet: Fleet) -> Iterator[None]:
    with fleet.connect(fleet.url, "monthly report") as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM processing_queue")
        yield


@trouble(
    "the database answers slowly",
    "response_time",
    settings={"ALERT_THRESHOLDS": '{"response_time_warning": 60}'},
    written="The drill lowers the threshold from 1,000 ms to 60 ms. A proxy in front of Postgres delays each answer by "
    "100 ms.",
    keeps_fleet=False,
)
def slow(fleet: Fleet) -> Iterator[None]:
    directory = parse_qs(urlsplit(fleet.url).query)["host"][0]
    proxy = Proxy(Path(directory) / ".s.PGSQL.5432")
    proxy.start()
    url = make_url(fleet.url).set(query={}, host="127.0.0.1", port=proxy.port)
    try:
        with mock.patch.dict("os.environ", {"DATABASE_URL": url.render_as_string(hide_password=False)}):
            proxy.delay(0.05)
            yield
            proxy.delay(0)
            database_named().dispose()
    finally:
        proxy.stop()


@trouble(
    "a login has too few connections for its processes",
    "database_unreachable",
    says="too many connections for role",
    passing=COMING_BACK,
)
def login_limit(fleet: Fleet) -> Iterator[None]:
    database_named().dispose()
    fleet.execute(f"ALTER ROLE {LOGIN} CONNECTION LIMIT 1")
    yield
    fleet.execute(f"ALTER ROLE {LOGIN} CONNECTION LIMIT -1")


def open_connections(fleet: Fleet, stack: ExitStack, wanted: int) -> None:
    """Opens connections until the server has `wanted` of them, including those of the fleet."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    while fleet.query(count) < [(wanted,)]:
        stack.enter_context(fleet.connect(fleet.url, "billing"))


@trouble(
    "Postgres was set to read-only",
    "database_takes_no_writes",
    passing=[*COMING_BACK, "worker_deaths", "control_queue"],
)
def read_only(fleet: Fleet) -> Iterator[None]:
    fleet.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    yield
    fleet.execute("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
    time.sleep(COMES_TO_ITSELF_SECONDS)
    fleet.execute(HEALED)
