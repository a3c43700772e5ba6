"""A test of a Django application can run the application's tasks in the transaction of the test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import PostgresServer

SUITE = """
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import TestCase, TransactionTestCase
from django.utils import timezone

from processing_queue.django.models import Record
from processing_queue.django.testing import empty_queue, run_tasks
from tests.django.shop import tasks


class InATransaction(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.first = tasks.add.enqueue(40)

    def test_a_task_runs(self):
        second = tasks.add.enqueue(1)
        self.assertEqual(run_tasks(), 2)
        self.first.refresh()
        second.refresh()
        self.assertEqual((self.first.return_value, second.return_value), (42, 3))

    def test_the_test_before_was_taken_back(self):
        self.assertEqual(Record.objects.count(), 1)
        self.first.refresh()
        self.assertEqual(self.first.status, "READY")

    def test_what_is_later_runs_when_asked_for(self):
        later = tasks.add.using(run_after=timezone.now() + timedelta(hours=1)).enqueue(1)
        failing = tasks.fail.enqueue("no money")
        self.assertEqual(run_tasks(), 2)
        later.refresh()
        self.assertEqual(later.status, "READY")
        self.assertEqual(run_tasks(also_later=True), 2)
        later.refresh()
        failing.refresh()
        self.assertEqual(later.return_value, 3)
        self.assertEqual((failing.status, len(failing.errors)), ("FAILED", 2))

    def test_async_tasks_see_the_transaction(self):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE orders (number bigint)")
            cursor.execute("INSERT INTO orders VALUES (1), (2)")
        result = tasks.count_orders.enqueue()
        self.assertEqual(run_tasks(), 2)
        result.refresh()
        self.assertEqual(result.return_value, [2, 1])

    def test_a_task_that_breaks_the_transaction_fails_alone(self):
        broken = tasks.insert_order.enqueue(1)  # there is no such table
        tasks.add.enqueue(1)
        self.assertEqual(run_tasks(), 3)
        broken.refresh()
        self.assertEqual(len(broken.errors), 1)

    def test_a_task_whose_model_breaks_a_rule_fails_alone(self):
        get_user_model().objects.create(username="Olga")
        broken = tasks.create_user.enqueue("Olga")
        sound = tasks.create_user.enqueue("Anna")
        self.assertEqual(run_tasks(), 3)
        broken.refresh()
        sound.refresh()
        self.assertEqual((len(broken.errors), sound.status), (1, "SUCCESSFUL"))
        self.assertEqual(get_user_model().objects.count(), 2)


class WithCommits(TransactionTestCase):
    def setUp(self):
        empty_queue()

    def test_it_was_empty(self):
        self.assertEqual(Record.objects.count(), 0)
        tasks.add.enqueue(1)
        self.assertEqual(run_tasks(), 1)
        self.assertEqual(Record.objects.get().status, "completed")

    test_it_is_empty_again = test_it_was_empty
"""


@pytest.mark.long
@pytest.mark.parametrize("options", [[], ["--parallel=2"]])
def test_a_suite_of_an_application(
    tmp_path: Path, postgres_server: PostgresServer, options: list[str]
) -> None:
    (tmp_path / "test_shop.py").write_text(SUITE)
    environment = {
        **os.environ,
        "DATABASE_URL": postgres_server.database_url("postgres"),
        "DJANGO_SETTINGS_MODULE": "tests.django.shop.settings",
        "DJANGO_TEST_DATABASE": f"django_{os.getpid()}",
        "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "django", "test", "--noinput", *options, "test_shop"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 8 tests" in done.stderr
