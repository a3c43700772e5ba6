"""Tests compose.yaml in real containers. Records pass through two workers, and a killed container loses no record.
`make compose-test` runs these tests, which need Podman and root, and take minutes."""

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.compose.containers import SERVICES, Containers, until
from tests.compose.places import CACHE, ROOT
from tests.compose.podman import APPLICATION, Podman, why_not

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]
GRACE_SECONDS = "30"  # the stop_grace_period of compose.yaml; `podman stop` does not read that file
SAMPLE = ROOT / "tasks" / "flows" / "data" / "anes96.csv"


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    if reason := why_not():
        pytest.skip(reason)
    podman_compose = shutil.which("podman-compose")
    if podman_compose is None:
        pytest.skip("podman-compose not found: make compose-test installs it")
    podman = Podman(CACHE)
    podman.make_images()
    running = Containers(podman, podman_compose)
    try:
        running.up()
        yield running
    finally:
        running.down()
        podman.forget_old_images()


HOSTS_AT_WORK = """
    SELECT count(DISTINCT hostname) FROM processing_queue JOIN flow_execution_logs USING (flow_instance_id)
    JOIN worker_processes USING (worker_process_id) WHERE status = 'processing'
"""


def test_the_records_of_a_file_pass_through_two_workers(containers: Containers) -> None:
    [control] = containers.names("control")
    enqueue = ("queuectl", "enqueue", "-", "--format=csv", "--flow=survey_processor", "--numbers")
    # On a machine under load, the container's name server may not answer in time. Then nothing is enqueued.
    until(
        lambda: containers.podman.succeeds(
            "podman", "exec", "--interactive", control, *enqueue, given=SAMPLE.read_text()
        ),
        "the file is enqueued",
        lambda: everything(containers),
    )
    insert_slow_records(
        containers, 600, seconds=0.05
    )  # enough records for the second worker, too, even if it begins late
    until(
        lambda: containers.counts() == {"completed": 944 + 600},
        "all completed",
        lambda: everything(containers),
    )
    assert hosts_that_ran(containers) == 2
    assert containers.sql("SELECT count(*) FROM processed_surveys") == "944"


def test_killing_a_container_loses_no_record_and_charges_no_attempt(containers: Containers) -> None:
    insert_slow_records(containers, 600, seconds=0.1)
    victim, survivor = containers.names("worker")
    until(lambda: containers.sql(HOSTS_AT_WORK) == "2", "both work", lambda: everything(containers))
    containers.podman.run("podman", "kill", "--signal", "KILL", victim)
    # Without a service manager, Podman restarts no container. So the other worker does the work alone.
    seconds = until(lambda: all_completed(containers), "all completed", lambda: everything(containers), 120)
    assert containers.names("worker") == [survivor]
    assert containers.sql("SELECT count(*) FROM flow_execution_logs WHERE state = 'dead'") != "0"
    assert containers.sql("SELECT max(retry_count) FROM processing_queue") == "0"
    containers.podman.run("podman", "start", victim)
    containers.wait_until_healthy("worker")
    assert seconds < 60


def test_stopping_a_container_gives_its_records_back_at_once(containers: Containers) -> None:
    insert_slow_records(containers, 200, seconds=0.5)
    until(lambda: containers.counts().get("processing", 0) >= 40, "both work", lambda: everything(containers))
    workers = containers.names("worker")
    containers.podman.run("podman", "stop", "--time", GRACE_SECONDS, *workers)
    counts = containers.counts()
    assert "processing" not in counts, counts
    assert counts["pending"] > 100
    assert containers.sql("SELECT max(retry_count) FROM processing_queue") == "0"
    codes = containers.podman.run("podman", "inspect", "--format", "{{.State.ExitCode}}", *workers).split()
    assert codes == ["0", "0"], containers.logs(*workers)
    containers.sql("DELETE FROM processing_queue WHERE status = 'pending'")
    for worker in workers:
        containers.podman.run("podman", "start", worker)


def test_a_health_check_notices_processes_that_stand_still(containers: Containers) -> None:
    [control] = containers.names("control")
    assert containers.is_healthy(control)
    every_python = "for p in /proc/[0-9]*; do grep -q celery $p/comm && kill -{} ${{p#/proc/}}; done; true"
    containers.execute("control", "sh", "-c", every_python.format("STOP"))
    containers.execute("control", "touch", "-d", "1 minute ago", "/tmp/heartbeat")
    assert not containers.is_healthy(control)
    containers.execute("control", "sh", "-c", every_python.format("CONT"))
    containers.wait_until_healthy("control")


def test_flower_is_reached_on_the_loopback_with_its_password_only(containers: Containers) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{containers.flower_port}/api/workers", timeout=30)
    assert refused.value.code == 401
    refused.value.close()


def test_the_names_are_those_of_the_runbook(containers: Containers) -> None:
    listed = containers.podman.run("podman", "ps", "--filter", "name=rpa", "--format", "{{.Names}}").split()
    assert {name for service in SERVICES for name in containers.names(service)} <= set(listed)


def test_the_image_runs_without_rights_and_keeps_nothing_of_the_build(containers: Containers) -> None:
    assert containers.execute("worker", "id", "--user").strip() == "10001"
    assert containers.execute("worker", "sh", "-c", "cat /proc/1/comm").strip() == "tini"
    [image] = json.loads(containers.podman.run("podman", "image", "inspect", APPLICATION))
    names = {variable.partition("=")[0] for variable in image["Config"]["Env"]}
    assert names == {"PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    left = "find / -xdev -size +0 '(' -name pip.conf -o -name .env -o -path '/source/*' -o -path '/opt/build/*' ')'"
    assert containers.execute("worker", "sh", "-c", f"{left} 2>/dev/null || true") == ""


def insert_slow_records(containers: Containers, count: int, seconds: float) -> None:
    payload = json.dumps({"seconds": seconds})
    containers.sql(
        f"INSERT INTO processing_queue (flow_name, payload) SELECT 'slow_record', '{payload}' "  # noqa: S608
        f"FROM generate_series(1, {count})"
    )


def all_completed(containers: Containers) -> bool:
    return containers.counts().keys() == {"completed"}


def hosts_that_ran(containers: Containers) -> int:
    joined = "SELECT count(DISTINCT hostname) FROM flow_execution_logs JOIN worker_processes USING (worker_process_id)"
    return int(containers.sql(joined))


def everything(containers: Containers) -> str:
    names = [name for service in SERVICES for name in containers.names(service, "--all")]
    return f"{containers.counts()}\n{containers.logs(*names)}"
