"""JSON in an orjson.Fragment obeys the same rule as any other value."""

from typing import Any

import orjson
import pytest

from queue_store.errors import PayloadRejectedError
from queue_store.records.payload import decode_json, encode_json
from tests.support.flow_runs import Worker

LIMIT = 65_536
REFUSED: dict[str, Any] = {
    "a number": 123,
    "a bytearray": bytearray(b"[1]"),
    "text that is no UTF-8": "\ud83d",
    "no JSON": b"not json",
    "no JSON, with a long number": b"not json 123456789012345678901234567890",
    "no UTF-8": b'"\xff"',
    "no UTF-8, with a long number": b'["\xff", 123456789012345678901234567890]',
    "nothing": b"",
    "two values": b'1, "x": 2',
    "NaN": b'{"a": NaN}',
    "NUL": b'"\\u0000"',
    "surrogate": b'"\\ud83d"',
    "65 bits": b"[18446744073709551616]",
    "5,000 digits": b"1" * 5_000,
    "too large for a float": b"1e5000",
    "too deep": b"[" * 200 + b"]" * 200,
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=list(REFUSED))
@pytest.mark.parametrize("around", [{}, {"note": None, "price": 1.5}])
def test_what_no_value_may_hold_is_refused_with_its_place(text: Any, around: dict[str, Any]) -> None:
    with pytest.raises(PayloadRejectedError) as caught:
        encode_json({**around, "items": [0, {"v": orjson.Fragment(text)}]}, LIMIT)
    assert caught.value.field.startswith("payload.items[1].v")


def test_what_is_accepted_arrives() -> None:
    given = {"a": [orjson.Fragment(b'{"b":\n [1, 1e20, null]}')], "c": (orjson.Fragment('"text"'),)}
    encoded = encode_json(given, LIMIT)
    assert decode_json(encoded) == {"a": [{"b": [1, 1e20, None]}], "c": ["text"]}
    assert b"\n" not in encoded
    assert decode_json(encode_json(orjson.Fragment(b"[1]"), LIMIT)) == [1]


def test_a_result_that_is_refused_fails_its_own_record_only(worker: Worker) -> None:
    def handle(payload: int) -> dict[str, Any]:
        return {"x": orjson.Fragment(b"not json" if payload == 2 else b"[1]")}

    rows = worker.process(handle, [1, 2, 3])
    assert [row.status for row in rows] == ["completed", "failed", "completed"]
    assert rows[1].error_message.startswith("result.x: ")
    assert rows[0].result == {"x": [1]}
