"""People forget that they stopped something, mistype a name, or lose the only host with a contact's address."""

from collections.abc import Iterator
from unittest import mock

from tests.drill.drilling import look
from tests.drill.fleet import Fleet
from tests.drill.trouble import trouble


@trouble(
    "everything was stopped, and that was forgotten",
    "forgotten_stop",
    says="INC-17",
    settings={"STOP_REMINDER_HOURS": "0.001"},
    written="The drill lowers the threshold from 1 h to 3.6 s.",
    keeps_fleet=False,
)
def forgotten_stop(fleet: Fleet) -> Iterator[None]:
    fleet.queuectl("stop", "--all", "--yes", "--reason", "INC-17")
    yield
    fleet.queuectl("resume", "--all")


@trouble(
    "a flow was paused for a deploy, and that was forgotten",
    "forgotten_stop",
    says="letters",
    settings={"STOP_REMINDER_HOURS": "0.001"},
    written="The drill lowers the threshold from 1 h to 3.6 s.",
    keeps_fleet=False,
)
def forgotten_pause(fleet: Fleet) -> Iterator[None]:
    fleet.queuectl("pause", "letters")
    fleet.insert("letters", 5)
    yield
    fleet.queuectl("resume", "letters")
    fleet.wait_until_done()


@trouble(
    "somebody mistypes a flow's name in SQL",
    "unknown_flow",
    says="queuectl move leters letters",
    written="The drill enqueues records that have been due for 70 s.",
)
def mistyped(fleet: Fleet) -> Iterator[None]:
    fleet.insert("leters", 3, age_seconds=70)
    yield
    fleet.queuectl("move", "leters", "letters", "--yes")
    fleet.wait_until_done()


@trouble(
    "the only host with the pager's address is gone",
    "contact_without_channel",
    says="primary",
    written="The drill backdates the host's last report of the pager's address by 11 minutes.",
)
def pager_gone(fleet: Fleet) -> Iterator[None]:
    with mock.patch.dict(
        "os.environ", {"DEVELOPMENT_DISTRIBUTED_PROCESSOR_CONTACT_PRIMARY": "https://192.0.2.1/"}
    ):
        look()
    fleet.execute("UPDATE alert_contacts SET last_seen_at = last_seen_at - interval '11 minutes'")
    yield
    fleet.queuectl("alerts", "--forget", "primary")
