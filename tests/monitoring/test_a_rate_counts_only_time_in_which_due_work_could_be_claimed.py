"""A flow's rate is judged over the time in which its due records could be claimed. The time of a stop does not count.
Within ten minutes of the end of a stop, the rate is not judged, and open alerts about it do not change."""

from collections.abc import Callable

import pytest

from queue_store.alerting import alerts
from queue_store.database.manager import DatabaseManager
from queue_store.operators.operators import Operators
from queue_store.readings.windows import RecentOutcomes
from queue_store.settings import load_processor_settings
from tasks.alerts.checking import check_queue
from tasks.monitoring.snapshot import take_snapshot
from tests.support import filling, troubles

HOURS = 4 * 3600
RATE = "processing_rate:alpha"


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    for name, value in filling.SHORT_LEASE.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def waiting(database: DatabaseManager) -> DatabaseManager:
    """20 records have been due for four hours, and 5 records were completed in the last minutes."""
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha")
    filling.add_records(database, 20, age_seconds=HOURS)
    filling.add_outcomes(database, completed=5, minutes_ago=1)
    return database


def pause(database: DatabaseManager) -> None:
    Operators(database).pause("alpha", actor="ben")


def resume(database: DatabaseManager) -> None:
    Operators(database).resume("alpha", actor="ben")


def stop_all(database: DatabaseManager) -> None:
    Operators(database).stop_processing(actor="ben")


def resume_all(database: DatabaseManager) -> None:
    Operators(database).resume_processing(actor="ben")


def pass_minutes(database: DatabaseManager, minutes: int) -> None:
    troubles.execute(database, "UPDATE audit_log SET at = at - make_interval(mins => %(m)s)", m=minutes)


def had_no_claimable_record(
    database: DatabaseManager, minutes_ago: int, flow_name: str = "alpha", *, processing: int = 0
) -> None:
    """Stores what a fold noted while the flow was stopped, had no due record or was not registered. `processing`: how
    many records the runs of the flow held."""
    troubles.execute(
        database,
        "INSERT INTO depth_minutes (minute, flow_name, pending, processing, is_approximate, waiting)"
        " VALUES (date_trunc('minute', now()) - make_interval(mins => %(minutes)s), %(flow)s, 20, %(processing)s,"
        " false, 0)",
        minutes=minutes_ago,
        flow=flow_name,
        processing=processing,
    )


def recent(database: DatabaseManager) -> RecentOutcomes | None:
    return take_snapshot(database, load_processor_settings(), with_integrity=False).recent.get("alpha")


def open_alerts(database: DatabaseManager) -> set[str]:
    check_queue(database, load_processor_settings(), notify=True)
    with database.transaction() as cursor:
        return {alert.alert_key for alert in alerts.read_alerts(cursor)}


@pytest.mark.parametrize(("stop", "end_stop"), [(pause, resume), (stop_all, resume_all)])
def test_the_time_of_a_stop_does_not_count(
    waiting: DatabaseManager,
    stop: Callable[[DatabaseManager], None],
    end_stop: Callable[[DatabaseManager], None],
) -> None:
    stop(waiting)
    pass_minutes(waiting, 240)
    assert RATE not in open_alerts(waiting)
    end_stop(waiting)
    assert RATE not in open_alerts(waiting)
    assert recent(waiting) is None
    pass_minutes(waiting, 12)
    assert recent(waiting) == RecentOutcomes("alpha", 720, 5)
    assert RATE in open_alerts(waiting)


def test_a_stop_that_ended_long_ago_changes_nothing(waiting: DatabaseManager) -> None:
    pause(waiting)
    resume(waiting)
    pass_minutes(waiting, 61)
    assert recent(waiting) == RecentOutcomes("alpha", 3600, 5)


def test_only_a_resume_of_the_flow_ends_a_stop(waiting: DatabaseManager) -> None:
    filling.add_flow(waiting, "beta")
    operators = Operators(waiting)
    operators.pause("beta", actor="ben")
    operators.resume("beta", actor="ben")
    operators.stop_ingestion("alpha", actor="ben")
    operators.resume_ingestion("alpha", actor="ben")
    operators.stop_ingestion(None, actor="ben")
    operators.resume_ingestion(None, actor="ben")
    operators.resume("alpha", actor="ben")  # the flow is not paused
    operators.resume_processing(actor="ben")
    had_no_claimable_record(waiting, 1, "beta")
    assert recent(waiting) == RecentOutcomes("alpha", 3600, 5)


@pytest.mark.parametrize(("minutes_ago", "seconds"), [(0, None), (8, None), (20, 20 * 60), (61, 3600)])
def test_the_depth_shows_when_a_record_could_be_claimed_if_nobody_called_resume(
    waiting: DatabaseManager, minutes_ago: int, seconds: float | None
) -> None:
    """For example, the flow was registered only now, or a plain UPDATE ended its pause."""
    had_no_claimable_record(waiting, minutes_ago)
    found = recent(waiting)
    assert (found and found.seconds) in (
        seconds,
        seconds and min(seconds + 60, 3600),
    )  # a minute may begin now


def test_an_open_alert_waits_until_the_rate_is_judged_again(waiting: DatabaseManager) -> None:
    assert RATE in open_alerts(waiting)
    pause(waiting)
    assert RATE in open_alerts(waiting)
    resume(waiting)
    assert RATE in open_alerts(waiting)
    pass_minutes(waiting, 12)
    filling.add_outcomes(waiting, completed=500, minutes_ago=1)
    assert RATE not in open_alerts(waiting)


def test_a_flow_that_waits_for_its_keys_is_known_at_once_after_a_stop(waiting: DatabaseManager) -> None:
    """`check` and `capacity` need to know this, although the rate is judged only later."""
    filling.add_records(waiting, 1, order_key="key-1", scheduled_at=filling.alive())
    behind_it = "UPDATE processing_queue SET order_key = 'key-1', id = id + 100 WHERE scheduled_at < now()"
    troubles.execute(waiting, behind_it)
    pause(waiting)
    resume(waiting)
    snapshot = take_snapshot(waiting, load_processor_settings(), with_integrity=False)
    assert (snapshot.waiting_for_keys, snapshot.judged_later) == ({"alpha"}, set())


def test_an_alert_is_resolved_if_nothing_waits_any_more(waiting: DatabaseManager) -> None:
    assert RATE in open_alerts(waiting)
    pause(waiting)
    resume(waiting)
    troubles.execute(waiting, "UPDATE processing_queue SET status = 'cancelled' WHERE status = 'pending'")
    assert RATE not in open_alerts(waiting)


def test_a_run_that_holds_all_records_of_a_slow_flow_does_not_stop_the_judgement(
    waiting: DatabaseManager,
) -> None:
    had_no_claimable_record(waiting, 1, processing=20)
    assert recent(waiting) == RecentOutcomes("alpha", 3600, 5)


def test_times_from_before_the_clock_of_the_database_stepped_back_do_not_count(
    waiting: DatabaseManager,
) -> None:
    pause(waiting)
    resume(waiting)
    pass_minutes(waiting, -360)
    had_no_claimable_record(waiting, -360)
    assert recent(waiting) == RecentOutcomes("alpha", 3600, 5)
