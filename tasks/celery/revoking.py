"""`revoke()` of a durable task cancels the task's record."""

from typing import Any

from celery.app.control import TERM_SIGNAME, Control

from queue_store.operators.operators import Operators

from .refusals import refuse
from .results import ACTOR
from .task_ids import record_id_of


class DurableControl(Control):
    """Celery's remote control, with one change: `revoke()` of a durable task changes the record in Postgres, and
    sends the workers no message."""

    app: Any

    def revoke(
        self,
        task_id: Any,
        destination: Any = None,
        terminate: bool = False,
        signal: str = TERM_SIGNAME,
        **options: Any,
    ) -> Any:
        """A waiting record is cancelled at once. A running record is asked to stop, as with `queuectl cancel`. Raises
        NotDurableError for a durable task with `terminate=True`, and for a durable task that is not committed."""
        task_ids = [task_id] if isinstance(task_id, str) else list(task_id)
        records = {one: self._record_id(one) for one in task_ids}
        plain = [one for one, record_id in records.items() if record_id is None]
        durable = [record_id for record_id in records.values() if record_id is not None]
        if durable and terminate:
            raise refuse("revoke(terminate=True)", "`queuectl end RECORD` ends a handler that runs")
        if plain and self.app.durable == ("*",):
            raise refuse(f"there is no committed task {', '.join(plain)[:200]}", "revoke it after the COMMIT")
        if durable:
            Operators(self.app.database).cancel(durable, actor=ACTOR)
        if plain:
            return super().revoke(plain, destination, terminate, signal, **options)
        return None

    def _record_id(self, task_id: str) -> int | None:
        state = self.app.durable_backend.state_of(task_id)
        if state is None and record_id_of(task_id) is not None:
            raise refuse(f"there is no committed task {task_id}", "revoke it after the COMMIT")
        return None if state is None else state.record_id
