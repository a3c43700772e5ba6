"""`queuectl up`: the whole system on this machine, for a first try and for development."""

import os
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from queue_store.database import schema
from queue_store.database.manager import DatabaseManager
from queue_store.liveness import worker_processes
from queue_store.schedule.recurring import database_time

from ..embedded.directory_lock import DirectoryLock
from ..embedded.errors import EmbeddedServerError
from ..embedded.fleet import fleet, processes_by_queue
from ..embedded.places import data_directory as reachable_data_directory
from ..embedded.redis import free_port
from ..embedded.sample import FLOW_NAME, Sample
from ..embedded.servers import EmbeddedServers
from ..embedded.stop_signals import StopRequested, StopSignals
from ..embedded.supervisor import WATCH_PERIOD_SECONDS, Supervisor, answers_http
from .frame import loaded_flows
from .up_report import UpReport
from .up_summary import SampleResult, read_summary, result_of

FLOWER_PORT = 5555
SAMPLE_MODULE = "processing_queue.flows.survey_processor"
SAMPLE_BOUND_SECONDS = 120.0


@click.command()
@click.option(
    "--once", is_flag=True, help="Stop after the sample. Exit with 0 only if every record ended as expected."
)
@click.option(
    "--data-directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".data"),
    show_default=True,
    help="The directory for the embedded servers' data and for all logs.",
)
@click.option(
    "--sample/--no-sample",
    "wants_sample",
    default=None,
    help="Enqueue the sample survey, or not. By default it is enqueued into an embedded database only, and only if "
    "its flow is loaded.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="When the sample has ended, write the summary as one JSON document. All other output goes to stderr.",
)
@click.option(
    "--pool-start-method",
    type=click.Choice(["fork", "spawn"]),
    help="How the workers start their processes. Celery has an option of the same name.",
)
def up(
    once: bool, data_directory: Path, wants_sample: bool | None, as_json: bool, pool_start_method: str | None
) -> None:
    """Run servers, workers, beat and Flower here, and process a sample survey.

    An embedded Postgres is started if DATABASE_URL names no database, and an embedded Redis if CELERY_BROKER_URL names
    no broker.
    If FLOW_MODULES names your own flows, the worker serves these flows instead of the sample flow.
    """
    worker_options = [f"--pool-start-method={pool_start_method}"] if pool_start_method else []
    directory = reachable_data_directory(data_directory)
    directory.mkdir(parents=True, exist_ok=True)
    report = UpReport(directory, is_elsewhere=directory != data_directory.absolute(), as_json=as_json)
    signals = StopSignals()
    try:
        with signals.heeded(), DirectoryLock(directory):
            ended_as_expected = run(directory, report, signals, once, wants_sample, worker_options)
    except StopRequested:
        report.stopped()
        raise SystemExit(0 if not once else 130) from None
    raise SystemExit(0 if ended_as_expected else 1)


def run(
    directory: Path,
    report: UpReport,
    signals: StopSignals,
    once: bool,
    wants_sample: bool | None,
    worker_options: Sequence[str],
) -> bool:
    flows = loaded_flows()
    servers = EmbeddedServers(directory, os.environ)
    why_no_sample = reason_for_no_sample(wants_sample, FLOW_NAME in flows, servers.postgres is not None)
    with Supervisor(servers, signals, report.event) as supervisor, saying_that_it_stops(report, signals):
        os.environ.update(servers.start())
        report.servers_ready(servers)
        check_broker()
        database = DatabaseManager(application_name="queuectl up")
        with database.hold():  # raises a clear error now if the database cannot be reached
            pass
        schema.migrate(database.engine)
        report.migrated(schema.version_of(database))
        queues = sorted({flow.celery_queue for flow in flows.values()})
        flower_url = start_fleet(supervisor, database, directory, queues, worker_options)
        supervisor.everything_is_up()
        report.fleet_ready()
        if why_no_sample:
            report.no_sample(why_no_sample)
        sample = None if why_no_sample else process_sample(supervisor, database, report)
        supervisor.wait_until(lambda: answers_http(f"{flower_url}healthcheck"), "Starting Flower")
        logs = str(directory / "logs")
        summary = read_summary(database, sample, report.began, f"{flower_url}queue", logs)
        report.summary(summary)
        if not once:
            report.what_next(servers)
        while not once:
            supervisor.watch()
            time.sleep(WATCH_PERIOD_SECONDS)
        return summary.ended_as_expected


@contextmanager
def saying_that_it_stops(report: UpReport, signals: StopSignals) -> Generator[None]:
    """Reports that the system is stopping, when the block ends or somebody asks to stop. After the block, no signal
    breaks off the stop. Raises StopRequested instead of any other error if a signal has asked to stop: if the signal
    interrupts a statement, the connection can be closed, and then its rollback raises an error."""
    try:
        yield
    except (Exception, StopRequested) as error:
        if not signals.begin_stop():
            raise
        report.stopping()
        raise StopRequested from error
    signals.begin_stop()
    report.stopping()


def reason_for_no_sample(wants_sample: bool | None, is_loaded: bool, is_embedded: bool) -> str | None:
    """Returns the reason why the sample is not enqueued, or None if it is to be enqueued. A database that somebody
    configured gets the sample only on request. Raises UsageError."""
    if wants_sample and not is_loaded:
        raise click.UsageError(f"--sample needs its flow: add {SAMPLE_MODULE} to FLOW_MODULES.")
    if wants_sample is False:
        return "as you asked"
    if not is_loaded:
        return f"FLOW_MODULES does not name {SAMPLE_MODULE}"
    if wants_sample is None and not is_embedded:
        return "you configured the database yourself (--sample enqueues the sample there)"
    return None


def check_broker() -> None:
    """Raises EmbeddedServerError if the broker does not answer. The error names the broker without the password."""
    url = os.environ["CELERY_BROKER_URL"]
    try:
        with redis.Redis.from_url(url, socket_timeout=2, retry=Retry(NoBackoff(), 0)) as client:
            client.ping()
    except (redis.RedisError, ValueError):
        where = urlsplit(url)
        raise EmbeddedServerError(
            f"the broker at {where.hostname}:{where.port or 6379} does not answer: "
            "check that CELERY_BROKER_URL is right, that Redis runs there, and that no firewall blocks the connection"
        ) from None


def start_fleet(
    supervisor: Supervisor,
    database: DatabaseManager,
    directory: Path,
    queues: list[str],
    worker_options: Sequence[str],
) -> str:
    port = free_port(FLOWER_PORT)
    with database.transaction() as cursor:
        since = database_time(cursor)
    *workers_and_beat, flower = fleet(directory, dict(os.environ), queues, port, worker_options)
    supervisor.start(workers_and_beat)

    def every_process_beats() -> bool:
        with database.transaction() as cursor:
            return processes_by_queue(queues) <= worker_processes.processes_by_queue(cursor, since)

    supervisor.wait_until(every_process_beats, "Starting the workers")
    supervisor.start([flower])  # Flower starts last, because records should not wait for it
    return f"http://127.0.0.1:{port}/"


def process_sample(supervisor: Supervisor, database: DatabaseManager, report: UpReport) -> SampleResult:
    """Enqueue the sample, and wait until its records are finished, but at most SAMPLE_BOUND_SECONDS."""
    sample = Sample.enqueued(database)
    deadline = time.monotonic() + SAMPLE_BOUND_SECONDS
    with report.progress(sample.size) as show:
        while True:
            counts = sample.look(database)
            show(counts)
            if sample.is_over or time.monotonic() > deadline:
                break
            supervisor.watch()
            time.sleep(WATCH_PERIOD_SECONDS)
    result = result_of(sample, database)
    report.sample_ended(result)
    return result
