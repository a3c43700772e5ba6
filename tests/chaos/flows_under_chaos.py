"""The flows of the chaos run. The effects of `transfer` are inside its one COMMIT. The effects of `notice` and
`letter` are outside of any transaction. For some records, the handlers report progress, return a result and enqueue a
follow-up. For a few records, the handlers misuse the process or the session."""

import os
import time
from typing import Any

import psycopg

from queue_store.errors import DatabaseUnavailableError
from tasks import Backoff, FlowContext, PermanentError, SnoozeRecord, flow
from tests.chaos import express, ledger
from tests.chaos.hostile import misuse
from tests.chaos.switch import is_express

SMALL: int | None = 50
if is_express():
    express.be_eager()
    SMALL = None  # a flow with a batch size of its own never begins a run with a slice
BACKOFF = Backoff(first_seconds=0.3, factor=1, jitter=0)
SETTINGS = ("role", "search_path", "app.tenant", "session_replication_role")
EFFECT = "INSERT INTO effects (record_id, claim_number) VALUES (%s, %s)"
# After HOSTILE_CLAIMS claims of a record, its handler stops the misuse. Otherwise a misuse that ends the run could be
# repeated until the record has 1,000 crash strikes.
HOSTILE_CLAIMS = 8
_calls: dict[int, int] = {}


@flow(batch_size=80, max_retries=5, backoff=BACKOFF, session_settings=SETTINGS)
def transfer(payload: dict[str, Any], connection: psycopg.Connection, context: FlowContext) -> Any:
    """Writes its effect into a table. The table has no unique constraint, so the judgement after the run finds an
    effect that was written twice."""
    connection.execute(EFFECT, (context.record_id, context.claim_number))
    if payload["how"] == "hostile" and context.claim_number <= HOSTILE_CLAIMS:
        return misuse(payload["do"], connection)
    if is_express():
        time.sleep(payload.get("seconds", 0))
    return behave(payload, context)


@flow(batch_size=SMALL, max_retries=5, backoff=BACKOFF)
def notice(payload: dict[str, Any], context: FlowContext) -> Any:
    """Writes its effect as a line into a file, which no transaction can roll back."""
    return write_a_line(payload, context)


@flow(batch_size=50, max_retries=5, backoff=BACKOFF, express=False)
def letter(payload: dict[str, Any], context: FlowContext) -> Any:
    """Does the same as `notice`, but is never express. Only chaos runs with `--express` have records of this flow."""
    return write_a_line(payload, context)


@flow(batch_size=SMALL, max_retries=5, backoff=BACKOFF, express=True)
def receipt(payload: dict[str, Any]) -> None:
    """Processes the follow-ups of the other flows."""


def write_a_line(payload: dict[str, Any], context: FlowContext) -> Any:
    if os.getpid() not in _calls:
        _calls[os.getpid()] = os.open(os.environ["CHAOS_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(_calls[os.getpid()], ledger.call(context.record).encode())
    if payload["how"] == "hostile" and context.claim_number <= HOSTILE_CLAIMS:
        return misuse(payload["do"])
    time.sleep(payload.get("seconds", 0))
    return behave(payload, context)


def behave(payload: dict[str, Any], context: FlowContext) -> dict[str, int] | None:
    if payload["how"] == "retry" and context.attempt_number == 1:
        raise ValueError("the first attempt fails")
    if payload["how"] == "fail":
        raise PermanentError("this one always fails")
    if not payload.get("more"):
        return None
    try:
        context.report_progress({"claim": context.claim_number})
        context.enqueue("receipt", {"key": f"of {context.record_id}", "how": "ok"})
    except DatabaseUnavailableError:  # both calls use a connection of their own, which may be cut
        raise SnoozeRecord(0.1) from None
    return {"claim": context.claim_number}
