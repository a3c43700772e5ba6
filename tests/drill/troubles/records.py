"""Records fail, wait too long, or never end."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.drill.fleet import Fleet
from tests.drill.trouble import trouble


@contextmanager
def post_office_closed(fleet: Fleet) -> Iterator[str]:
    """Yields the path of a file. While this file exists, the service that the flow calls is down."""
    file = fleet.servers.directory / "closed"
    file.touch()
    try:
        yield str(file)
    finally:
        file.unlink()


def fail(fleet: Fleet, failed: int, completed: int) -> None:
    with post_office_closed(fleet) as down:
        fleet.insert("letters", failed, down=down)
        fleet.insert("letters", completed)
        fleet.wait_until_done()


def forget(fleet: Fleet) -> None:
    """Removes all records and all counts, as if they were old and had been purged."""
    fleet.clean()


@trouble("a service is down: nothing succeeds", "success_rate", says="0 % of 30 records", is_quick=True)
def nothing_succeeds(fleet: Fleet) -> Iterator[None]:
    fail(fleet, 30, 0)
    yield
    forget(fleet)


@trouble("many records fail for good", "failed_records", says="letters: 60 failed records", is_quick=True)
def many_failed(fleet: Fleet) -> Iterator[None]:
    fail(fleet, 60, 800)
    yield
    forget(fleet)


@trouble("records failed, and were reset in a hurry", "recent_failures", passing=["failed_records"])
def failed_and_reset(fleet: Fleet) -> Iterator[None]:
    fail(fleet, 60, 1_000)
    fleet.queuectl("reset", "--flow", "letters", "--yes")
    fleet.wait_until_done()
    yield
    forget(fleet)


@trouble(
    "slow handlers do not keep up",
    "processing_rate",
    written="The drill enqueues records that have been due for 25 minutes, and deletes the earlier depths.",
)
def slow(fleet: Fleet) -> Iterator[None]:
    fleet.insert("letters", 400, age_seconds=1_500, seconds=5)
    fleet.execute("DELETE FROM depth_minutes")
    yield
    cancel_waiting(fleet)


@trouble(
    "fewer records are done than is usual",
    "rate_below_usual",
    passing=["processing_rate"],
    written="The drill stores a usual rate, enqueues records that have been due for an hour, and deletes the earlier "
    "depths.",
)
def below_usual(fleet: Fleet) -> Iterator[None]:
    fleet.execute(
        "INSERT INTO baselines (flow_name, hour_of_week, outcomes_per_hour, week_count)"
        " SELECT 'letters', hour, 1000, 4 FROM generate_series(0, 167) AS hour"
    )
    fleet.insert("letters", 100)
    fleet.wait_until_done()
    fleet.insert("letters", 400, age_seconds=3_700, seconds=5)
    fleet.execute("DELETE FROM depth_minutes")
    yield
    cancel_waiting(fleet)


@trouble(
    "more comes in than the workers can do",
    "backlog",
    written="The drill writes the queue's depth for each of the last 35 minutes, and enqueues records that "
    "have been due for 31 minutes.",
)
def backlog(fleet: Fleet) -> Iterator[None]:
    fleet.insert("letters", 400)
    fleet.wait_until_done()
    fleet.insert("letters", 3_000, age_seconds=1_860, seconds=0.1)
    fleet.execute(
        "DELETE FROM depth_minutes",
        "INSERT INTO depth_minutes (minute, flow_name, pending, processing, is_approximate, waiting)"
        " SELECT date_trunc('minute', now()) - make_interval(mins => n), 'letters', 3000, 0, false, 3000"
        " FROM generate_series(1, 35) AS n",
    )
    yield
    cancel_waiting(fleet)


@trouble("a trigger that somebody added refuses claims", "failing_claims", says="not on my table")
def claims_fail(fleet: Fleet) -> Iterator[None]:
    fleet.execute(
        "CREATE OR REPLACE FUNCTION refuse_claims() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'not on my table'; END $$",
        "CREATE TRIGGER refuse_claims BEFORE UPDATE ON processing_queue FOR EACH ROW"
        " WHEN (NEW.status = 'processing') EXECUTE FUNCTION refuse_claims()",
    )
    fleet.insert("letters", 1)
    yield
    fleet.execute("DROP TRIGGER refuse_claims ON processing_queue")
    fleet.wait_until_done()


@trouble(
    "something ends the connection of each run",
    "endless_claims",
    settings={"MAX_UNFINISHED_CLAIMS": "2", "MAX_CRASH_STRIKES": "1000"},
    written="A record is claimed alone after 2 unfinished claims, not after 5.",
    is_steady=False,  # while the record is claimed, there is no finding
    keeps_fleet=False,
)
def endless(fleet: Fleet) -> Iterator[None]:
    fleet.insert("broken_off", 1)
    yield
    fleet.queuectl("cancel", "--flow", "broken_off", "--yes")


@trouble(
    "the workers of a whole host are lost in the middle of their batches",
    "all_workers_gone",
    "orphaned_records",
    passing=["worker_deaths"],
    written="The drill backdates the last heartbeats of the runs by 20 minutes, and the due times by 2 minutes.",
    keeps_fleet=False,
)
def orphans(fleet: Fleet) -> Iterator[None]:
    fleet.insert("letters", 100, seconds=30)
    fleet.wait_for("(SELECT count(*) > 50 FROM processing_queue WHERE status = 'processing')")
    fleet.flows.kill()
    fleet.control.kill()
    fleet.execute(
        "UPDATE flow_execution_logs SET heartbeat_at = heartbeat_at - interval '20 minutes' WHERE state = 'running'",
        "UPDATE processing_queue SET scheduled_at = scheduled_at - interval '2 minutes' WHERE status = 'pending'",
    )
    yield
    cancel_waiting(fleet)
    fleet.flows = fleet.start_worker("flows", 2)
    fleet.control = fleet.start_worker("control", 1)
    fleet.wait_for("NOT EXISTS (SELECT FROM processing_queue WHERE status = 'processing')")
    cancel_waiting(fleet)
    fleet.execute("UPDATE worker_processes SET ended_at = ended_at - interval '2 hours' WHERE state = 'dead'")


def cancel_waiting(fleet: Fleet) -> None:
    fleet.queuectl("cancel", "--flow", "letters", "--yes")
