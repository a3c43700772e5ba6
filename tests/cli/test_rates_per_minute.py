"""A steady rate looks the same at every second of a minute, although the queue counts by whole minutes."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from queue_store.database.manager import DatabaseManager
from queue_store.readings.windows import Window, add_up, read_window
from tasks.cli import main
from tests.support.filling import add_flow
from tests.support.servers import connect

PER_MINUTE = 600
STEADY = """
INSERT INTO rollup_deltas (flow_name, at, enqueued, completed, completed_adjusted, purged)
SELECT flow_name, now() - make_interval(secs => age), 10, 10, -10, 10
FROM flows CROSS JOIN generate_series(0, 200) AS age
"""


@pytest.fixture(params=[1, 30, 57])
def queue(
    request: pytest.FixtureRequest,
    database: DatabaseManager,
    clean_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[DatabaseManager]:
    """Two flows with a steady rate. The time zone of the sessions is shifted by some seconds, so that the current
    minute began `request.param` seconds ago."""
    for name in ("alpha", "beta"):
        add_flow(database, name)
    with database.transaction() as cursor:
        row = cursor.execute("SELECT extract(second FROM now())::int").fetchone()
    assert row is not None
    monkeypatch.setenv("PGTZ", f"INTERVAL '00:00:{(request.param - row[0]) % 60:02}'")
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    moved = connect(clean_database_url)
    with moved.transaction() as cursor:
        cursor.execute(STEADY)
    yield moved
    moved.dispose()


def call(*arguments: str) -> str:
    result = CliRunner().invoke(main, [*arguments, "--times", "1"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def is_steady(shown: object, flows: int = 1) -> bool:
    """On a slow machine, some seconds may pass between the last delta and the reading. The bounds allow for them."""
    return 0.7 * PER_MINUTE * flows < int(str(shown).replace(",", "")) < 1.05 * PER_MINUTE * flows


def test_top_and_follow_show_the_rate(queue: DatabaseManager) -> None:
    shown = [*json.loads(call("top", "--json"))["flows"], json.loads(call("follow", "alpha", "--json"))]
    for flow in shown:
        for name in ("enqueued_last_minute", "outcomes_last_minute"):
            assert isinstance(flow[name], int)
            assert is_steady(flow[name]), flow
    table = {line.split("│")[1].strip(): line.split("│") for line in call("top").splitlines() if "│" in line}
    assert is_steady(call("follow", "alpha").split(" out/min")[0].split()[-1])
    for name, flows in (("alpha", 1), ("all flows", 2)):
        assert is_steady(table[name][6].strip(), flows), table
        assert is_steady(table[name][7].strip(), flows), table


def test_the_length_of_the_window_is_that_of_what_was_read(queue: DatabaseManager) -> None:
    with queue.transaction() as cursor:
        row = cursor.execute("SELECT extract(second FROM now())::float8").fetchone()
        windows = read_window(cursor, 60)
    assert row is not None
    covered = 60 + row[0]
    assert windows["alpha"].covered_seconds == pytest.approx(covered)
    assert add_up(windows.values(), 60).covered_seconds == pytest.approx(covered)


def test_nothing_is_a_rate_of_zero() -> None:
    assert add_up([], 60).outcomes_per_minute == Window(60, "alpha").enqueued_per_minute == 0
