"""Beat is silent, or maintenance is late, fails or has to correct counts."""

import signal
from collections.abc import Iterator

from tests.drill.fleet import Fleet
from tests.drill.trouble import trouble

OCCURRENCE = (
    "INSERT INTO schedule_occurrences (entry, due_at, state) VALUES ('{}', now() - interval '{}', '{}')"
)
REFUSE = """
CREATE OR REPLACE FUNCTION refuse_deletes() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'nothing is deleted here'; END $$
"""


@trouble("beat is killed", "beat_silent", says="has been silent")
def killed(fleet: Fleet) -> Iterator[None]:
    fleet.beat.kill()
    yield
    fleet.beat = fleet.start_beat()


@trouble("beat hangs", "beat_silent", says="has been silent")
def hangs(fleet: Fleet) -> Iterator[None]:
    fleet.beat.popen.send_signal(signal.SIGSTOP)
    yield
    fleet.beat.popen.send_signal(signal.SIGCONT)


@trouble(
    "beat is stopped and not started again",
    "beat_silent",
    says="was stopped",
    written="The alert allows a minute for a restart. So the drill backdates beat's last heartbeat by 55 s.",
)
def stopped(fleet: Fleet) -> Iterator[None]:
    fleet.beat.terminate()
    fleet.execute("UPDATE beats SET heartbeat_at = heartbeat_at - interval '55 seconds'")
    yield
    fleet.beat = fleet.start_beat()


@trouble(
    "maintenance is due and nobody serves the control queue",
    "maintenance_late",
    says="orphan_cleanup",
    written="The drill writes that maintenance was due 11 minutes ago.",
)
def late(fleet: Fleet) -> Iterator[None]:
    fleet.control.terminate()
    fleet.execute(OCCURRENCE.format("orphan_cleanup", "11 minutes", "due"))
    yield
    fleet.control = fleet.start_worker("control", 1)


@trouble(
    "maintenance fails three times",
    "maintenance_failed",
    says="retention",
    written="Maintenance waits 30 s between two tries. So the drill writes that two tries have failed already.",
)
def failed(fleet: Fleet) -> Iterator[None]:
    fleet.execute(
        REFUSE,
        "CREATE TRIGGER refuse_deletes BEFORE DELETE ON connection_checks"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_deletes()",
        "INSERT INTO connection_checks (at, attempt_count, success_count) VALUES (now() - interval '300 days', 1, 1)",
        OCCURRENCE.format("retention", "1 minute", "due"),
        "UPDATE schedule_occurrences SET take_number = 2 WHERE entry = 'retention'",
    )
    yield
    fleet.execute(
        "DROP TRIGGER refuse_deletes ON connection_checks",
        OCCURRENCE.format("retention", "0 s", "due"),
    )


@trouble(
    "the nightly review corrects counts that somebody made wrong",
    "counts_corrected",
    passing=["wrong_counts"],
    says="letters",
)
def counts_corrected(fleet: Fleet) -> Iterator[None]:
    fleet.insert("letters", 5, age_seconds=-3600)
    fleet.execute(
        "UPDATE processing_queue SET status = 'cancelled'", OCCURRENCE.format("nightly_review", "0 s", "due")
    )
    yield
    fleet.execute(OCCURRENCE.format("nightly_review", "0 s", "due"))
