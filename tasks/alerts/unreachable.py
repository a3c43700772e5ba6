"""The one alert that must go out without the database. A small file remembers who was notified, so that neither a
worker that checks every minute nor a cron job that is a new process each time notifies twice."""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from queue_store.alerting.findings import Finding
from queue_store.database.manager import DatabaseManager
from queue_store.settings import ProcessorSettings, environment_name

from .fan_out_to_contacts import fan_out_to_contacts
from .sending import deliver, reachable_contacts


class UnreachableDatabase:
    """On one machine, for one user, environment and database."""

    def __init__(self, database: DatabaseManager, settings: ProcessorSettings) -> None:
        directory = Path(settings.state_directory or tempfile.gettempdir())
        name = f"processing-queue-{os.getuid()}-{environment_name()}-{database.name}.unreachable".lower()
        self._file = directory / name
        self._settings = settings

    def is_gone(self, finding: Finding) -> int:
        """Notify all contacts the first time, then those that could not be reached. Returns how many were."""
        state = self._read() or {"since": time.time(), "notified": []}
        recipients = [c for c in reachable_contacts(self._settings) if c not in state["notified"]]
        notified = self._notify(recipients, "opened", finding, state["since"])
        self._write({**state, "notified": [*state["notified"], *notified]})
        return len(notified)

    def is_back(self) -> int:
        """Notify the contacts that heard that it was gone; those that cannot be reached are notified the next time.
        Returns how many were."""
        state = self._read()
        if state is None:
            return 0
        finding = Finding(
            code="database_unreachable",
            level="emergency",
            message="The database can be reached again.",
            next_step="",
        )
        notified = self._notify(state["notified"], "resolved", finding, state["since"])
        left = [contact for contact in state["notified"] if contact not in notified]
        if left:
            self._write({**state, "notified": left})
        else:
            self._file.unlink(missing_ok=True)
        return len(notified)

    def _notify(self, recipients: list[str], change: str, finding: Finding, since: float) -> list[str]:
        """Returns those who were reached."""
        problems = fan_out_to_contacts(lambda c: self._deliver(c, change, finding, since), recipients)
        return [contact for contact, problem in problems.items() if problem is None]

    def _deliver(self, contact: str, change: str, finding: Finding, since: float) -> str | None:
        notification_id = f"{self._file.stem}-{since:.0f}-{change}"
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
        """A file that somebody else put there is not believed. The version before wrote `told`."""
        try:
            if self._file.is_symlink() or self._file.stat().st_uid != os.getuid():
                return None
            state = json.loads(self._file.read_text())
            notified = state["notified"] if "notified" in state else state["told"]
            return {"since": float(state["since"]), "notified": [str(contact) for contact in notified]}
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _write(self, state: dict[str, Any]) -> None:
        """A full or read-only disk must not keep the alert from going out."""
        try:
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(state, file)
        except OSError:
            return
