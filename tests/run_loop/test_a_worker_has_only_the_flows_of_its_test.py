"""A worker does not serve the flows that other test modules have declared. If such a flow had a schedule, it would add
records to the test."""

from importlib import import_module

import pytest

from tests.support.flow_runs import running_worker


def test_flows_of_imported_modules_are_not_served(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_module("tests.mixed_day.flows_of_the_day")
    with running_worker(clean_database_url, monkeypatch) as worker:
        assert worker.services.flows == {}
