"""The test plants secrets in the usual places, and collects everything that our processes write or return: logs, Redis
commands, the output of commands, Flower, the Queue page and metrics. None of these contains a secret, except the output
of `queuectl show`, which shows the payload of a record."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from celery import Celery
from click.testing import CliRunner
from sqlalchemy.engine import make_url

from queue_store.enqueueing.hints import CeleryHintSender
from tasks.cli import main
from tests.support.flower_process import PASSWORD, FlowerProcess
from tests.support.page_flower import DATA_PATHS, PAGE_PATHS
from tests.workers.conftest import Queue
from tests.workers.flows_with_secrets import TEXT_SECRET
from tests.workers.processes import running_beat, running_worker, wait_until, with_prefix

FLOWS = "tests.workers.flows_with_secrets"
PAYLOAD = '{"note": "canary-in-the-payload"}'
COMMAND_LINES = (
    "alerts --json", "capacity --json", "check --performance --database --json", "explain {id} --json", "failures",
    "failures --json", "failures --records --json", "maintenance --history --json", "report",
    "report --format markdown",
    "schedule --json", "show {id} --tracebacks", "show {id} --tracebacks --json", "status --json",
    "tail --times 1 --json", "top --times 1", "validate --full --json",
)  # fmt: skip
FLOWER_PATHS = [
    "/",
    "/broker",
    "/workers",
    "/tasks",
    "/api/workers",
    "/api/tasks",
    "/api/queues/length",
    "/metrics",
]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_reaches_a_log_redis_a_command_a_page_or_a_metric(
    log_format: str, queue: Queue, settings_environment: dict[str, str], redis_url: str, tmp_path: Path
) -> None:
    url = make_url(settings_environment["DATABASE_URL"]).set(password="canary-in-the-url")
    environment = settings_environment | {"DATABASE_URL": url.render_as_string(hide_password=False)}
    environment |= with_prefix({"FLOW_MODULES": FLOWS, "LOG_FORMAT": log_format})
    log = tmp_path / "worker.log"
    said: dict[str, str] = {}
    with (
        recorded_redis(redis_url) as commands,
        running_worker(environment, log, queues="flows,control", flows=FLOWS),
    ):
        with running_beat(environment, tmp_path / "beat.log"):
            assert hint("tells", redis_url)  # the worker may need no hint, but the recording needs one
            for flow_name in ("tells", "tells_in_one_commit", "tells_async", "tells_in_its_result"):
                queue.insert(flow_name, 3, PAYLOAD)
            wait_until(lambda: queue.counts() == {"failed": 9, "completed": 3}, "every end", log)
            said |= answers_of_flower(environment, tmp_path)
    failed_id = queue.value("SELECT max(id) FROM processing_queue WHERE status = 'failed'")
    said |= {line: answer_of_command(line.format(id=failed_id), environment) for line in COMMAND_LINES}
    said |= {path.name: path.read_text() for path in tmp_path.iterdir()}
    said["Redis"] = "\n".join(commands)
    assert "claim_batch" in said["Redis"]
    assert "processing_queue_records" in said["/metrics"]
    assert "refused the login" in said["show {id} --tracebacks"]
    assert where_told(said, TEXT_SECRET) == []
    assert where_told(said, PASSWORD) == []
    assert where_told(said, "canary-in-the-url") == []
    assert where_told(said, make_url(redis_url).password or redis_url) == []
    # `queuectl show` may show the payload of a record, because only users of the database can run the command.
    assert {line.partition(" ")[0] for line in where_told(said, "canary-in-the-payload")} == {"show"}
    assert where_told(said, "canary-in-the-result") == []


def hint(flow_name: str, redis_url: str) -> bool:
    with Celery(broker=redis_url, set_as_current=False) as app:
        return CeleryHintSender(app).send(flow_name, "flows")


def where_told(said: dict[str, str], secret: str) -> list[str]:
    return [place for place, text in said.items() if secret in text]


@contextmanager
def recorded_redis(url: str) -> Iterator[list[str]]:
    """Yields a list of all commands that reach Redis during the block, with their arguments."""
    commands: list[str] = []
    with redis.Redis.from_url(url, socket_timeout=None) as client, client.monitor() as monitor:

        def record() -> None:
            for command in monitor.listen():
                commands.append(str(command["command"]))
                if "the end of the recording" in commands[-1]:
                    return

        thread = threading.Thread(target=record)
        thread.start()
        yield commands
        client.echo("the end of the recording")
        thread.join()


def answers_of_flower(environment: dict[str, str], directory: Path) -> dict[str, str]:
    flower = FlowerProcess(environment, directory / "flower.log").wait()
    try:
        return {path: flower.ask(path).text for path in [*FLOWER_PATHS, *PAGE_PATHS, *DATA_PATHS]}
    finally:
        flower.stop()


def answer_of_command(line: str, environment: dict[str, str]) -> str:
    done = CliRunner().invoke(main, line.split(), env=environment)
    assert done.exit_code <= 3, done.output
    assert "Usage" not in done.output, done.output
    return done.output
