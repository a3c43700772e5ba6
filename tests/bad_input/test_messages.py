"""If the arguments of a message make no sense, the task refuses them or does nothing, and the worker goes on."""

from collections.abc import Iterator
from typing import Any

import pytest

from tasks import claim_batch as claim_module, enqueue_task as enqueue_module
from tests.support.flow_runs import Worker, running_worker

HINTS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "no argument": ([], {}),
    "too many": (["letters", 0, 1], {}),
    "unknown keyword": (["letters"], {"force": True}),
    "nobody's flow": (["nobody"], {}),
    "null": ([None], {}),
    "a number": ([7], {}),
    "a truth": ([True], {}),
    "a list": ([["letters"]], {}),
    "an object": ([{"flow_name": "letters"}], {}),
    "an attack": (["'; DROP TABLE flows; --"], {}),
    "NUL": (["letters\x00"], {}),
    "a surrogate": (["\ud800"], {}),
    "long": (["x" * 100_000], {}),
    "a slot of text": (["letters", "first"], {}),
    "a slot without bounds": (["letters", 2**70], {}),
    "a negative slot": (["letters", -1], {}),
    "a slot that is a list": (["letters", []], {}),
}
RECORDS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "no argument": ([], {}),
    "no payload": (["letters"], {}),
    "unknown keyword": (["letters", {}], {"status": "completed"}),
    "nobody's flow": (["nobody", {}], {}),
    "a flow that is null": ([None, {}], {}),
    "a flow that is a number": ([7, {}], {}),
    "a flow that is a list": ([["letters"], {}], {}),
    "a flow that is an object": ([{}, {}], {}),
    "NUL in the payload": (["letters", {"a": "\x00"}], {}),
    "a surrogate": (["letters", "\ud800"], {}),
    "NaN": (["letters", float("nan")], {}),
    "65 bits": (["letters", 2**64], {}),
    "oversize": (["letters", "x" * 70_000], {}),
    "a priority of text": (["letters", {}], {"priority": "high"}),
    "a priority without bounds": (["letters", {}], {"priority": 2**40}),
    "a date that is none": (["letters", {}], {"scheduled_at": "tomorrow"}),
    "a date without a zone": (["letters", {}], {"scheduled_at": "2030-01-01T00:00:00"}),
    "a date that is a number": (["letters", {}], {"scheduled_at": 5}),
    "an infinite date": (["letters", {}], {"scheduled_at": "infinity"}),
    "a dedup_key of a list": (["letters", {}], {"dedup_key": []}),
    "an empty dedup_key": (["letters", {}], {"dedup_key": ""}),
    "a long order_key": (["letters", {}], {"order_key": "k" * 300}),
    "an unknown way with duplicates": (["letters", {}], {"on_duplicate": "explode"}),
}


@pytest.fixture
def worker(clean_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    with running_worker(clean_database_url, monkeypatch, enqueue_by_message=("*",)) as worker:
        for module in (claim_module, enqueue_module):
            monkeypatch.setattr(module, "worker_services", lambda: worker.services)
        monkeypatch.setattr(worker.services.hints, "started", lambda *_: None)
        monkeypatch.setattr(worker.services.hints, "send", lambda *_: True)

        def letters(payload: Any) -> None:
            pass

        worker.declare(letters)
        yield worker


@pytest.mark.parametrize("case", HINTS)
def test_a_hint_of_nonsense_does_nothing(worker: Worker, case: str) -> None:
    arguments, keywords = HINTS[case]
    claim_module.claim_batch.apply(arguments, keywords)
    [record_id] = worker.enqueue("letters", [1])
    assert claim_module.claim_batch.apply(["letters"]).successful()
    assert worker.rows([record_id])[0].status == "completed"


@pytest.mark.parametrize("case", RECORDS)
def test_a_record_of_nonsense_is_not_enqueued_and_not_tried_again(worker: Worker, case: str) -> None:
    arguments, keywords = RECORDS[case]
    result = enqueue_module.enqueue.apply(arguments, keywords)
    assert result.state == "FAILURE", result.state
    assert worker.statuses() == {}
    assert enqueue_module.enqueue.apply(["letters", {"n": 1}]).successful()
    assert worker.statuses() == {"pending": 1}
