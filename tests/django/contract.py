"""Makes our backend fit Django's own tests. `tests.django.djangos_own_tests` puts the classes of this module into
Django's tests."""

from typing import Any

from django.db import connection
from django.test import TestCase

from processing_queue.django.backend import ProcessingQueueBackend
from processing_queue.django.models import Record
from processing_queue.django.testing import run_tasks


class StoringBackend(ProcessingQueueBackend):
    """Replaces DummyBackend: `results` lists what was enqueued."""

    @property
    def results(self) -> list[Any]:
        return [self.get_result(str(record.pk)) for record in Record.objects.order_by("id")]

    def clear(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM processing_queue")


class RunningBackend(ProcessingQueueBackend):
    """Replaces ImmediateBackend: `enqueue` returns when the task has ended."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        result = super().enqueue(task, args, kwargs)
        run_tasks()
        return self.get_result(result.id)


class SimpleTestCase(TestCase):
    """Allows the database, which our backend needs. Django's own class forbids it."""

    databases = frozenset({"default"})
