"""If a module of flows raises any error on import, a message names the module and the error."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_store.errors import SettingsError
from queue_store.settings import ProcessorSettings, load_processor_settings
from tasks.authoring import registry
from tasks.authoring.registry import load_flows
from tests.support.entry_point import install_with_entry_point


@pytest.fixture(autouse=True)
def _nothing_stays_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_flows", {})
    yield
    for name in ("flows_of_ours", "our_flows"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def broken(:", "SyntaxError: invalid syntax"),
        ("from tasks import no_such_name", "ImportError: cannot import name 'no_such_name'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("from tasks import flow\n@flow(batch_size=0)\ndef f(payload): ...", "FlowDeclarationError: "),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_its_error(
    source: str, error: str, tmp_path: Path
) -> None:
    (tmp_path / "flows_of_ours.py").write_text(source)
    with pytest.raises(SettingsError) as refused:
        load_flows(ProcessorSettings(flow_modules=("no_such_module", "flows_of_ours")))
    missing, broken = refused.value.problems
    assert missing.startswith(
        "FLOW_MODULES names no_such_module, which cannot be imported: ModuleNotFoundError: "
    )
    assert broken.startswith(f"FLOW_MODULES names flows_of_ours, which cannot be imported: {error}")


def test_an_entry_point_that_cannot_be_loaded_is_named_with_its_error(tmp_path: Path) -> None:
    install_with_entry_point(tmp_path, "import no_such_library")
    with pytest.raises(SettingsError) as refused:
        load_flows(ProcessorSettings(flow_modules=()))
    assert refused.value.problems == [
        "the entry point ours of processing_queue.flows names our_flows, which cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_library'"
    ]


def test_the_flows_of_an_entry_point_are_loaded(tmp_path: Path) -> None:
    install_with_entry_point(
        tmp_path, "from tasks import flow\n@flow\ndef from_a_package(payload: dict) -> None: ..."
    )
    assert "from_a_package" in load_flows(ProcessorSettings(flow_modules=()))


@pytest.mark.parametrize("is_named", [False, True])
def test_the_sample_is_not_loaded_beside_installed_flows_unless_it_is_named(
    is_named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = "processing_queue.flows.survey_processor"
    if is_named:
        monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_FLOW_MODULES", sample)
    monkeypatch.delitem(sys.modules, sample, raising=False)
    install_with_entry_point(
        tmp_path, "from tasks import flow\n@flow\ndef from_a_package(payload: dict) -> None: ..."
    )
    assert sorted(load_flows(load_processor_settings())) == (
        ["from_a_package", "survey_processor"] if is_named else ["from_a_package"]
    )
