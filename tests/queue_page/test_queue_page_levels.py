"""The page marks figures by the same thresholds as the alerts."""

from typing import Any

from queue_store.database.manager import DatabaseManager
from queue_store.settings import ProcessorSettings
from queue_store.thresholds import Thresholds
from tasks.app import app
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import overview
from tasks.queue_page.views.request import ViewRequest
from tests.support import filling


def look(database: DatabaseManager, thresholds: Thresholds) -> dict[str, Any]:
    settings = ProcessorSettings(alert_thresholds=thresholds)
    with database.transaction() as cursor:
        return overview.overview(ViewRequest(cursor, settings, Arguments({}), app))


def test_the_thresholds_of_alerts_mark_the_figures(database: DatabaseManager) -> None:
    filling.add_flow(database)
    filling.add_failed(database, 30)
    filling.add_outcomes(database, completed=85, failed=15)
    filling.add_records(database, 1, age_seconds=3_600)
    total = look(database, Thresholds())["total"]
    assert total["levels"] == {"success_rate": "warning", "failed": None, "oldest_due": "warning"}
    own = Thresholds(flows={"alpha": {"failed_records_warning": 10, "success_rate_warning": 80}})
    answer = look(database, own)
    assert answer["flows"][0]["levels"] == {
        "success_rate": None,
        "failed": "warning",
        "oldest_due": "warning",
    }
    assert answer["total"]["levels"]["failed"] == "warning"
