"""Measures enqueueing in bulk. Compares typed payloads, which are checked one by one, with plain payloads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pydantic

from benchmarks import queue_state
from benchmarks.figures import compare
from benchmarks.session import Session
from benchmarks.worker import running_worker
from queue_store.enqueueing import enqueue_many
from queue_store.enqueueing.payload_encoders import Encode, set_encoder
from tasks.authoring.payloads.annotation import codec_of
from tasks.authoring.payloads.payload_type import PayloadType

WANTED = 0.7


class Model(pydantic.BaseModel):
    n: int
    text: str


class Struct(msgspec.Struct):
    n: int
    text: str


@dataclass
class Data:
    n: int
    text: str


KINDS: dict[str, Any] = {"Pydantic models": Model, "msgspec Structs": Struct, "dataclasses": Data}


def measure(session: Session) -> None:
    with running_worker(session.servers, processes=1):
        pass  # registers the flows
    plain = [{"n": n, "text": "x" * 150} for n in range(session.records)]
    untyped = _timed(session, plain, None)
    for name, kind in KINDS.items():
        rows = [kind(**payload) for payload in plain]
        encode = PayloadType("no_op", codec_of(kind), 1, {}).encode
        typed = _timed(session, rows, encode)
        session.note_ratio(
            compare(
                f"enqueue_many of {name} : of dictionaries",
                typed,
                untyped,
                pairs=session.pairs,
                wanted=WANTED,
            )
        )
    set_encoder("no_op", None)


def _timed(session: Session, rows: Sequence[object], encode: Encode | None) -> Callable[[], float]:
    def load() -> None:
        with session.connection.transaction():
            enqueue_many(session.connection, "no_op", rows)

    def rate() -> float:
        set_encoder("no_op", encode)
        queue_state.empty(session.connection)
        return session.records / queue_state.seconds_of(load)

    return rate
