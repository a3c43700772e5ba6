"""The alerts that must be sent without the database, because it cannot be reached or takes no writes.

A small file lists the contacts that were notified. So nobody is notified twice, although workers check again and again,
and a cron job starts a new process for each check.
"""

import time
from typing import Any

from queue_store.alerting.findings import Finding
from queue_store.database.manager import DatabaseManager
from queue_store.settings import ProcessorSettings

from ..monitoring.state_file import StateFile
from .fan_out_to_contacts import fan_out_to_contacts
from .sending import deliver, reachable_contacts

UNREACHABLE = "database_unreachable"
TAKES_NO_WRITES = "database_takes_no_writes"
# A process that cannot use the database reports the problem at least every QUIET_SECONDS. Other processes of the
# machine may be able to connect, for example if the server has too few connections for all processes. A process that
# can connect, but does not check the queue, reports the end of the problem only after QUIET_SECONDS without a report of
# the problem. A process whose login is not allowed to be the sentinel waits for QUIET_SECONDS once, reports the end,
# and checks nothing any more.
QUIET_SECONDS = 60.0
_BACK = {
    UNREACHABLE: "The database can be reached again.",
    TAKES_NO_WRITES: "The database takes writes again.",
}


def note_usable(database: DatabaseManager, settings: ProcessorSettings, quiet_seconds: float = 0.0) -> None:
    """Call this when the database has answered this process and takes writes. Each machine has files of its own, so
    each machine notifies the contacts that the problem is over. `quiet_seconds`: see `is_back`."""
    for code in _BACK:
        UnusableDatabase(database, settings, code).is_back(quiet_seconds)


class UnusableDatabase:
    """Keeps a file that lists the contacts that were notified of the unusable database. The file is on this machine.
    There is one file for each combination of user, environment, database, schema and finding code."""

    def __init__(self, database: DatabaseManager, settings: ProcessorSettings, code: str) -> None:
        self._file = StateFile(settings, database.name, code.removeprefix("database_"))
        self._settings = settings
        self._code = code

    def is_gone(self, finding: Finding) -> int:
        """The first call sends the notification to every contact to which this process has a channel. Later calls send
        it only to the contacts that could not be reached before. A call does nothing while another process of this
        machine notifies contacts. Returns how many were notified."""
        with self._file.lock() as is_mine:
            if not is_mine:
                return 0
            known = self._read()
            if known is None or known["is_over"]:
                known = {"since": time.time(), "notified": []}
            state = {**known, "failed_at": time.time(), "is_over": False}
            recipients = [c for c in reachable_contacts(self._settings) if c not in state["notified"]]
            notified = self._notify(recipients, "opened", finding, state["since"])
            self._file.write({**state, "notified": [*state["notified"], *notified]})
            return len(notified)

    def is_back(self, quiet_seconds: float = 0.0) -> int:
        """Send `resolved` to the contacts that were notified of the problem. If a contact cannot be reached, the next
        call tries again to notify this contact. If the problem comes back, it counts as a new problem. A call does
        nothing while another process of this machine notifies contacts, or if a process reported the problem in the
        last `quiet_seconds`. Returns how many were notified."""
        state = self._read()
        if state is None or 0 <= time.time() - state["failed_at"] < quiet_seconds:
            return 0
        with self._file.lock() as is_mine:
            state = self._read() if is_mine else None
            return 0 if state is None else self._end(state)

    def _end(self, state: dict[str, Any]) -> int:
        finding = Finding(
            code=self._code,
            level="emergency",
            message=_BACK[self._code],
            next_step="",
        )
        notified = self._notify(state["notified"], "resolved", finding, state["since"])
        left = [contact for contact in state["notified"] if contact not in notified]
        if left:
            self._file.write({**state, "notified": left, "is_over": True})
        else:
            self._file.remove()
        return len(notified)

    def _notify(self, recipients: list[str], change: str, finding: Finding, since: float) -> list[str]:
        problems = fan_out_to_contacts(lambda c: self._deliver(c, change, finding, since), recipients)
        return [contact for contact, problem in problems.items() if problem is None]

    def _deliver(self, contact: str, change: str, finding: Finding, since: float) -> str | None:
        notification_id = f"{self._file.path.stem}-{since:.0f}-{change}"
        message: dict[str, Any] = {
            "notification_id": notification_id,
            "notice_id": notification_id,
            "change": change,
            "contact": contact,
            "since": since,
            **finding.as_dict(),
        }
        return deliver(contact, message, self._settings)

    def _read(self) -> dict[str, Any] | None:
        """Also reads the key `told`, which the previous version wrote instead of `notified`."""
        try:
            state = self._file.read()
            notified = state["notified"] if "notified" in state else state["told"]
            return {
                "since": float(state["since"]),
                "failed_at": float(state.get("failed_at", 0)),
                "notified": [str(contact) for contact in notified],
                "is_over": bool(state.get("is_over", False)),
            }
        except (ValueError, TypeError, KeyError):
            return None
