"""The actions of the Queue page, without Flower. Tests call these actions on their own database, as Flower's handlers
do."""

from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from tasks.queue_page import actions, database as page_database_module, export
from tasks.queue_page.arguments import Arguments


def use(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (actions, page_database_module):
        monkeypatch.setattr(module, "page_database", lambda: database)


def do(action: str, **values: Any) -> dict[str, Any]:
    return actions.ACTIONS[action](Arguments(values), "ops")


def exported(**values: Any) -> bytes:
    return export.export(Arguments(values), "json")
