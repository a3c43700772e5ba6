"""Causes many troubles, one after the other. The next trouble uses the same fleet if it needs the same settings, and if
the previous trouble left the fleet unchanged."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tests.drill.drilling import Drilled, drill
from tests.drill.fleet import Fleet, Servers
from tests.drill.trouble import Trouble
from tests.support.servers import reachable_directory


class Drills:
    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._fleet: Fleet | None = None

    @property
    def postgres_url(self) -> str:
        return self._servers.postgres.url()

    @property
    def redis_url(self) -> str:
        return self._servers.redis.url()

    def run(self, trouble: Trouble) -> Drilled:
        fleet = self._fitting(trouble)
        try:
            drilled = drill(trouble, fleet)
        except BaseException:
            self.drop_fleet()
            raise
        if not drilled.is_good or not trouble.keeps_fleet:
            self.drop_fleet()
        return drilled

    def drop_fleet(self) -> None:
        if self._fleet is not None:
            fleet, self._fleet = self._fleet, None
            fleet.stop()

    def _fitting(self, trouble: Trouble) -> Fleet:
        if self._fleet is not None and self._fleet.settings != trouble.settings:
            self.drop_fleet()
        if self._fleet is None:
            self._fleet = Fleet(self._servers, trouble.settings)
            self._fleet.start()
        else:
            self._fleet.clean()
        return self._fleet


@contextmanager
def drills() -> Iterator[Drills]:
    with reachable_directory() as directory:
        servers = Servers(directory)
        servers.start()
        running = Drills(servers)
        try:
            yield running
        finally:
            running.drop_fleet()
            servers.stop()


def run_all(troubles: Iterable[Trouble], running: Drills) -> list[Drilled]:
    results: list[Drilled] = []
    for trouble in troubles:
        try:
            drilled = running.run(trouble)
        except Exception as error:  # noqa: BLE001  (the drill continues with the next trouble)
            drilled = Drilled(trouble, wrong={"drill": [f"{type(error).__name__}: {error}"[:500]]})
        results.append(drilled)
        took = "not found" if drilled.found_seconds is None else f"{drilled.found_seconds:.1f} s"
        sys.stderr.write(
            f"{'ok   ' if drilled.is_good else 'WRONG'} {trouble.name}: {took} {drilled.wrong or ''}\n"
        )
    return results
