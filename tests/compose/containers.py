"""Runs the services of compose.yaml as containers of one project."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from tasks.embedded.redis import free_port
from tests.compose.places import COMPOSE_FILE
from tests.compose.podman import APPLICATION, POSTGRES, REDIS, Podman

OVERRIDE = Path(__file__).with_name("override.yaml")
SERVICES = ("worker", "control", "beat", "flower")
HOSTS_WITH_FLOWS = """
    SELECT count(DISTINCT hostname) FROM worker_processes JOIN flows ON flow_name = ANY (flow_names)
    WHERE celery_queue = ANY (celery_queues)
"""


class Containers:
    def __init__(self, podman: Podman, podman_compose: str) -> None:
        self.podman = podman
        self.project = f"rpa-test-{os.getpid()}"
        self.flower_port = free_port(25_555)
        self._compose = [podman_compose, "-p", self.project, "-f", str(COMPOSE_FILE), "-f", str(OVERRIDE)]
        self._environment = {
            "PROCESSING_QUEUE_IMAGE": APPLICATION,
            "POSTGRES_IMAGE": POSTGRES,
            "REDIS_IMAGE": REDIS,
            "POSTGRES_PASSWORD": "postgrespassword",
            "REDIS_PASSWORD": "redispassword",
            "FLOWER_BASIC_AUTH": "operator:flowerpassword",
            "FLOWER_PORT": str(self.flower_port),
            "FLOWS_DIRECTORY": str(Path(__file__).with_name("flows")),
        }

    def up(self) -> None:
        """Starts the services in compose.yaml's order. Also runs the health checks, because Podman runs health checks
        by itself only with systemd. Then waits until the workers have registered their flows, because a container can
        be healthy before it has reached Postgres."""
        self.compose("up", "--detach", "--no-build", "--no-deps", "postgres", "redis")
        self.wait_until_healthy("postgres")
        self.wait_until_healthy("redis")
        self.compose("up", "--detach", "--no-build", "--no-deps", "migrate")
        [migrate] = self.names("migrate", "--all")
        until(lambda: self._succeeds(migrate), "migrate succeeds", lambda: self.logs(migrate))
        self.compose("up", "--detach", "--no-build", "--no-deps", *SERVICES)
        for service in SERVICES:
            self.wait_until_healthy(service)
        workers = self.names("worker", "--all")
        until(
            lambda: self._have_registered(workers),
            "each worker has registered its flows",
            lambda: self.logs(*workers),
        )

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "30", check=False)

    def compose(self, *arguments: str, check: bool = True) -> str:
        return self.podman.run(*self._compose, *arguments, check=check, **self._environment)

    def names(self, service: str, *options: str) -> list[str]:
        """Returns the running containers of a service. With the option `--all`, also returns the stopped containers."""
        label = f"label=com.docker.compose.service={service}"
        project = f"label=com.docker.compose.project={self.project}"
        listing = ("podman", "ps", *options, "--filter", label, "--filter", project, "--format", "{{.Names}}")
        return sorted(self.podman.run(*listing).split())

    def execute(self, service: str, *command: str) -> str:
        return self.podman.run("podman", "exec", self.names(service)[0], *command)

    def sql(self, statement: str) -> str:
        return self.execute(
            "postgres", "env", "PGPASSWORD=postgrespassword",
            "psql", "-h", "127.0.0.1", "-U", "rpa", "-d", "rpa_db", "-qAt", "-F", " ", "-c", statement,
        ).strip()  # fmt: skip

    def counts(self) -> dict[str, int]:
        lines = self.sql("SELECT status, count(*) FROM processing_queue GROUP BY status").splitlines()
        return {status: int(count) for status, count in (line.split() for line in lines)}

    def is_healthy(self, name: str) -> bool:
        """Returns False if the check fails, or if Podman cannot run the check."""
        return self.podman.succeeds("podman", "healthcheck", "run", name)

    def wait_until_healthy(self, service: str) -> None:
        """Starts a container again if it has ended, for example because the name server did not answer in time. With
        Docker, the restart policy does so. Podman needs a service manager for that."""
        names = self.names(service, "--all")
        assert names, self.compose("logs", service, check=False)
        until(lambda: self._are_healthy(names), f"{service} is healthy", lambda: self.logs(*names))

    def _are_healthy(self, names: list[str]) -> bool:
        ill = [name for name in names if not self.is_healthy(name)]
        if ill:
            self._start(ill)
        return not ill

    def _have_registered(self, workers: list[str]) -> bool:
        self._start(workers)
        return int(self.sql(HOSTS_WITH_FLOWS)) >= len(workers)

    def _succeeds(self, name: str) -> bool:
        """Waits until the container ends, and starts it again if it has failed."""
        if self.podman.run("podman", "wait", name).strip() == "0":
            return True
        self._start([name])
        return False

    def _start(self, names: list[str]) -> None:
        """Starts the containers that do not run. For a container that runs, Podman does nothing."""
        self.podman.run("podman", "start", *names)

    def logs(self, *names: str) -> str:
        return "\n".join(
            self.podman.run("podman", "logs", "--tail", "40", name, check=False) for name in names
        )


def until(
    is_true: Callable[[], bool], what: str, shown: Callable[[], str], bound_seconds: float = 90
) -> float:
    """Waits until the condition is true. Returns how many seconds the wait took."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < bound_seconds, (
            f"waited {bound_seconds} s in vain: {what}\n{shown()}"
        )
        time.sleep(0.5)
    return time.monotonic() - began
