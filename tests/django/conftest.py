import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from queue_store.flows import register
from tasks.worker.services import declaration
from tests.support.cleaning import DatabaseCleaner
from tests.support.django_site import configure_django
from tests.support.flow_runs import Worker


@pytest.fixture
def site(clean_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Django application with its tasks, on the emptied database. The application has a table of its own."""
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    configure_django(clean_database_url)
    from django.db import connections

    with psycopg.connect(clean_database_url, autocommit=True) as owner:
        owner.execute("CREATE TABLE orders (number bigint)")
        yield
        connections.close_all()
        owner.execute("DROP TABLE orders")


@pytest.fixture(scope="module")
def admin_tables(database_url: str, database_cleaner: DatabaseCleaner) -> Iterator[None]:
    """Django's own tables, and the superuser Olga."""
    database_cleaner.clean()  # so that the cleaner knows which tables to keep
    configure_django(database_url)
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection

    before = set(connection.introspection.table_names())
    call_command("migrate", verbosity=0)
    get_user_model().objects.create_superuser("Olga")
    yield
    made = set(connection.introspection.table_names()) - before
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE " + ", ".join(f'"{name}"' for name in made) + " CASCADE")
    connection.close()


def client_of(user: Any) -> Any:
    from django.test import Client

    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def shop(site: None) -> SimpleNamespace:
    """The module with the application's tasks."""
    return importlib.import_module("tests.django.shop.tasks")


@pytest.fixture
def task_worker(site: None, worker: Worker) -> Worker:
    flows = importlib.import_module("processing_queue.django.flows").declare_tasks()
    worker.services.flows.update(flows)
    with worker.services.database.transaction() as cursor:
        register(cursor, [declaration(flow, worker.services.settings) for flow in flows.values()])
    return worker


@pytest.fixture
def work_off(task_worker: Worker):
    """Returns a function that runs the task's flow until none of its records is due."""

    def work(name: str) -> None:
        task_worker.make_due()
        task_worker.run(task_worker.services.flows[f"tests.django.shop.tasks.{name}"])

    return work
