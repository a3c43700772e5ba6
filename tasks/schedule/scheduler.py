"""The scheduler of Celery beat, which keeps the occurrences of the schedule in Postgres.

`beat_schedule` in celeryconfig.py is the only place where the entries and their times are written. Beat stores each
due time of an entry as an occurrence in the database. If several due times were missed, beat stores only the latest.
Until an occurrence has ended, beat sends hints for it, except while a worker works on the occurrence. If an entry is
removed from `beat_schedule`, beat skips the entry's open occurrence as soon as that occurrence is ten minutes late. For
plain intervals, beat stores no occurrences and only sends hints. Several beats may run. Normally, only the beat that
holds the lease stores occurrences and sends hints. If a beat cannot read the schedule in the database, it sends the
hints for plain intervals even without the lease. Hints from several beats do no harm. If no worker serves a Celery
queue, the queue's list in Redis stays bounded: beat sends nothing to a list that is already long.
"""

import logging
import os
import socket
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg
from celery.beat import Scheduler

from queue_store.database.manager import DatabaseManager
from queue_store.enqueueing.hints import MAXIMUM_QUEUE_LENGTH, CeleryHintSender
from queue_store.errors import QueueStoreError
from queue_store.queue_schema import celery_queue_name
from queue_store.readings.schedule import LATE_SECONDS
from queue_store.schedule import occurrences
from queue_store.settings import load_processor_settings

from ..worker.liveness_file import touch_liveness_file
from .due_time import is_kept, latest_due

logger = logging.getLogger(__name__)

LEASE_SECONDS = 4.0
LOOK_SECONDS = 1.0
RUN_OCCURRENCE = "processing_queue.run_occurrence"


class OccurrenceScheduler(Scheduler):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._beat_id = uuid4()
        self._kept: dict[str, Any] = {}
        self._leads = False
        self._is_looking = False
        super().__init__(*args, **kwargs)

    # To print its banner, beat makes a scheduler before it reports wrong settings. So the scheduler reads the settings
    # on first use.
    @cached_property
    def _heartbeat_file(self) -> str:
        return load_processor_settings().heartbeat_file

    @cached_property
    def database(self) -> DatabaseManager:
        return DatabaseManager(application_name="processing_queue beat")

    @cached_property
    def _hints(self) -> CeleryHintSender:
        return CeleryHintSender(self.app)

    def setup_schedule(self) -> None:
        self.merge_inplace(self.app.conf.beat_schedule)
        entries: dict[str, Any] = self.get_schedule() or {}
        self._kept = {name: entry for name, entry in entries.items() if is_kept(entry.schedule)}
        self.set_schedule({name: entry for name, entry in entries.items() if name not in self._kept})

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Returns how long beat may sleep, in seconds."""
        touch_liveness_file(self._heartbeat_file)
        self._is_looking = True
        try:
            leads = self.look()
        except (
            QueueStoreError,
            psycopg.Error,
        ) as error:  # psycopg.Error: the session was ended while beat was frozen
            # While the schedule cannot be read, no beat knows which beat has the lease. So each beat sends the hints of
            # the entries with a plain interval. Hints from several beats do no harm. One of these hints makes a worker
            # check the queue. This check reports that the database cannot be reached.
            logger.warning("the schedule cannot be read: %s", error)
            leads = True
        finally:
            self._is_looking = False
        return min(super().tick(*args, **kwargs), LOOK_SECONDS) if leads else LOOK_SECONDS

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Sends the entry's task, unless `MAXIMUM_QUEUE_LENGTH` messages already wait in the entry's Celery queue.
        Even if the task is not sent, the entry is due again only at its next regular time."""
        if self._has_room(entry.options.get("queue")):
            super().apply_entry(entry, producer)

    def close(self) -> None:
        """Gives up the lease, so that another beat can take it at once. Beat calls this method in its signal
        handler, and again when it has left its loop."""
        if self._is_looking:  # the signal interrupted `look`, which still locks the row of the lease
            return
        try:
            with self.database.transaction() as cursor:
                occurrences.leave(cursor, self._beat_id)
        except (QueueStoreError, psycopg.Error) as error:
            logger.warning("could not give up the lead; another beat can lead when the lease ends: %s", error)
        self.database.dispose()
        super().close()

    def look(self) -> bool:
        with self.database.transaction() as cursor:
            leads, now = occurrences.lead(
                cursor, self._beat_id, socket.gethostname(), os.getpid(), LEASE_SECONDS, self._ticks()
            )
            if leads:
                self._notice(cursor, now)
            hints = occurrences.to_hint(cursor) if leads else []
        if leads != self._leads:
            logger.info("this beat %s the schedule", "leads" if leads else "does not lead")
            self._leads = leads
        for entry, due_at in hints:
            self._hint(entry, due_at)
        return leads

    def _has_room(self, celery_queue: str | None) -> bool:
        waiting = self._hints.waiting_messages(celery_queue or self.app.conf.task_default_queue)
        return waiting is None or waiting < MAXIMUM_QUEUE_LENGTH

    def _ticks(self) -> dict[str, datetime]:
        """Returns, for each entry with a plain interval, the time at which it was last due. Entries that have not been
        due yet are left out."""
        entries: dict[str, Any] = self.get_schedule() or {}
        return {name: entry.last_run_at for name, entry in entries.items() if entry.total_run_count}

    def _notice(self, cursor: Any, now: datetime) -> None:
        """Stores the latest due time of each entry. If an entry is not in the schedule of this beat, skips the entry's
        late occurrences."""
        timezone = ZoneInfo(self.app.conf.timezone or "UTC")
        for name, entry in self._kept.items():
            due_at = latest_due(entry.schedule, now, timezone)
            if due_at is not None:
                occurrences.notice(cursor, name, due_at)
        scheduled: dict[str, Any] = self.get_schedule() or {}
        occurrences.skip_removed(cursor, [*self._kept, *scheduled], LATE_SECONDS)

    def _hint(self, entry: str, due_at: datetime) -> None:
        """Sends a hint. If the hint cannot be sent, a later `look` tries again."""
        if not self._has_room(celery_queue_name("control")):
            return
        try:
            self.app.send_task(
                RUN_OCCURRENCE,
                kwargs={"entry": entry, "due_at": due_at.isoformat()},
                queue=celery_queue_name("control"),
                expires=occurrences.HINT_AGAIN_SECONDS,
                retry=False,
            )
        except Exception as error:  # noqa: BLE001  (kombu raises what its transport raises)
            logger.warning("no hint for %s: %s", entry, type(error).__name__)
