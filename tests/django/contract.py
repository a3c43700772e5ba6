"""The backend in the shapes that Django's own tests ask for. `tests.django.djangos_own_tests` puts them there."""

from typing import Any

from django.db import connection
from django.test import TestCase

from processing_queue.django.backend import ProcessingQueueBackend
from processing_queue.django.models import Record
from processing_queue.django.testing import run_tasks


class StoringBackend(ProcessingQueueBackend):
    """As DummyBackend: it tells what was enqueued."""

    @property
    def results(self) -> list[Any]:
        return [self.get_result(str(record.pk)) for record in Record.objects.order_by("id")]

    def clear(self) -> None:
        """Forget everything."""
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM processing_queue")


class RunningBackend(ProcessingQueueBackend):
    """As ImmediateBackend: `enqueue` returns when the task has ended."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        result = super().enqueue(task, args, kwargs)
        run_tasks()
        return self.get_result(result.id)


class SimpleTestCase(TestCase):
    """Django's tests of backends in memory forbid the database."""

    databases = frozenset({"default"})
