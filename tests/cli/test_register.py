"""`queuectl register` registers flows, so that producers can enqueue records before any worker has run."""

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from queue_store import DatabaseManager, UnknownFlowError, enqueue
from queue_store.queue_schema import celery_queue_name
from queue_store.settings import load_processor_settings
from tasks.authoring import registry
from tasks.authoring.registry import load_flows, modules_without_flows
from tasks.background import worker_signals
from tasks.cli import main

MODULES = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_FLOW_MODULES"
SOURCE = """
from tasks import flow

@flow(batch_size=7)
def send_letter(payload: dict) -> None: ...

@flow(queue="slow")
def send_parcel(payload: dict) -> None: ...
"""


@pytest.fixture(autouse=True)
def _deployed(monkeypatch: pytest.MonkeyPatch, clean_database_url: str, tmp_path: Path) -> Iterator[None]:
    (tmp_path / "shop_flows.py").write_text(SOURCE)
    (tmp_path / "no_flows.py").write_text("value = 1\n")
    (tmp_path / "imports_flows.py").write_text("from shop_flows import send_letter\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_flows", {})
    monkeypatch.setattr(registry, "entry_points", lambda **_: ())
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setenv(MODULES, "shop_flows")
    yield
    for name in ("shop_flows", "no_flows", "imports_flows"):
        sys.modules.pop(name, None)


def register(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["register", *arguments])


def test_a_flow_is_known_before_any_worker_has_run(database: DatabaseManager) -> None:
    with database.engine.begin() as connection, pytest.raises(UnknownFlowError, match="queuectl register"):
        enqueue(connection, "send_letter", {})
    result = register()
    assert result.exit_code == 0, result.output
    assert result.stdout == "2 flows registered: send_letter, send_parcel. New: send_letter, send_parcel.\n"
    with database.engine.begin() as connection:
        assert enqueue(connection, "send_letter", {}).id
    with database.transaction() as cursor:
        rows = cursor.execute("SELECT flow_name, batch_size, celery_queue FROM flows ORDER BY 1").fetchall()
    assert rows == [
        ("send_letter", 7, celery_queue_name("flows")),
        ("send_parcel", 100, celery_queue_name("slow")),
    ]
    assert json.loads(register("--json").stdout) == {"registered": ["send_letter", "send_parcel"], "new": []}


def test_without_flows_nothing_is_registered_and_it_is_said(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODULES, "no_flows")
    result = register()
    assert result.exit_code == 1
    assert "no_flows, which declares no flow" in result.stderr
    assert "Error: no flow is declared" in result.stderr
    monkeypatch.setenv(MODULES, "no_such_module")
    result = register()
    assert result.exit_code == 1
    assert "FLOW_MODULES names no_such_module, which cannot be imported" in result.stderr
    with database.transaction() as cursor:
        assert cursor.execute("SELECT count(*) FROM flows").fetchone() == (0,)


def test_a_module_that_imports_its_flows_is_not_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODULES, "imports_flows,no_flows")
    settings = load_processor_settings()
    load_flows(settings)
    assert modules_without_flows(settings) == ["no_flows"]


def test_a_worker_lists_what_it_serves_and_what_it_does_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(MODULES, "shop_flows,no_flows")
    flows, slow = celery_queue_name("flows"), celery_queue_name("slow")
    monkeypatch.setattr(worker_signals, "celery_queues", [flows])
    with caplog.at_level(logging.INFO):
        worker_signals.say_what_is_served()
    assert f"serves the Celery queues {flows}, flows: send_letter" in caplog.text
    assert (
        f"does not serve the Celery queue {slow}: another worker must serve it (-Q {slow}), for flows send_parcel"
        in caplog.text
    )
    assert "FLOW_MODULES names no_flows, which declares no flow" in caplog.text
    caplog.clear()
    monkeypatch.setattr(worker_signals, "celery_queues", [flows, slow])
    worker_signals.say_what_is_served()
    assert "does not serve" not in caplog.text
