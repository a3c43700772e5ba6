"""While another thread imports OpenTelemetry, `sys.modules` already has the module, but the module is still empty.
Producers then enqueue without a span."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from queue_store import DatabaseManager, DistributedProcessor
from queue_store.enqueueing.trace_context import current_trace_context
from tests.support.flow_rows import register_flow


def test_a_producer_enqueues_without_a_span(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("opentelemetry.trace")
    module.__spec__ = ModuleSpec(module.__name__, None)
    monkeypatch.setattr(module.__spec__, "_initializing", True, raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    register_flow(database, "survey")
    assert DistributedProcessor(database).enqueue("survey", {}).id
    assert current_trace_context() is None
