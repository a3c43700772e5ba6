"""If the page reads an answer from a replica, the answer states the replica's lag."""

from collections.abc import Iterator

import pytest

from tests.support.flower_process import FlowerProcess, environment
from tests.support.replica import Pair, running_pair
from tests.workers.processes import wait_until

HEADER = "X-Replica-Lag-Seconds"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


@pytest.fixture(scope="module")
def flower(pair: Pair, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowerProcess]:
    log = tmp_path_factory.mktemp("flower") / "flower.log"
    process = FlowerProcess(environment(pair.primary.url(), redis_url) | pair.settings(), log)
    yield process.wait()
    process.stop()


def lag(flower: FlowerProcess) -> float:
    return float(flower.ask("/queue/api/records").headers[HEADER])


def test_answers_from_a_replica_say_how_late_it_is(pair: Pair, flower: FlowerProcess) -> None:
    wait_until(lambda: lag(flower) == 0, "a replica that has replayed all")
    pair.hold_back()
    database = pair.database()
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO processing_queue (flow_name, scheduled_at) VALUES ('late', '2100-01-01')")
    database.dispose()
    wait_until(lambda: lag(flower) > 0.2, "a lag that is told")
    assert flower.ask("/queue/api/database").json["replica"]["lag_seconds"] > 0.2
    pair.go_on()
    assert len(flower.ask("/queue/api/records").json["records"]) == 1


def test_what_is_alive_comes_from_the_primary_and_has_no_lag(flower: FlowerProcess) -> None:
    assert HEADER not in flower.ask("/queue/api/overview").headers


def test_a_replica_that_is_down_is_shown(pair: Pair, flower: FlowerProcess) -> None:
    pair.replica.stop()
    try:
        assert flower.ask("/queue/api/database").json["replica"] == {"lag_seconds": None}
    finally:
        pair.replica.start()
