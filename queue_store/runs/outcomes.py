"""The fenced statements that write the outcomes of a run's records.

This module builds these statements, and the holder of the transaction executes them. The transaction is that of a
micro-batch, an express slice or a one-COMMIT slice. The connection of a one-COMMIT slice can be asynchronous.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from psycopg import Cursor

from queue_store.counts.histogram import count_durations
from queue_store.database.arrays import NumberArray
from queue_store.database.statements import NamedStatement, sql
from queue_store.errors import UnknownFlowError
from queue_store.records.record import Cancelled, Completed, Failure, Outcome, Record, Snooze, Written

T = TypeVar("T", Completed, Failure, Snooze)


def outcome_statements(
    flow_name: str, flow_instance_id: UUID, outcomes: Sequence[Outcome], max_retries: int
) -> list[NamedStatement]:
    """Returns at most one statement for each arrow. The order of the arrows is fixed, and ids ascend, so that all
    runs lock rows in the same order."""
    owner = {"flow_name": flow_name, "flow_instance_id": flow_instance_id}
    completed = _in_id_order([o for o in outcomes if isinstance(o, Completed)])
    failures = _in_id_order([o for o in outcomes if isinstance(o, Failure)])
    snoozes = _in_id_order([o for o in outcomes if isinstance(o, Snooze)])
    cancelled = [o.record for o in outcomes if isinstance(o, Cancelled)]
    statements: list[NamedStatement] = []
    if completed:
        parameters = owner | _fence(completed) | _ages(completed) | _results(completed)
        statements.append(NamedStatement("arrows/complete", parameters))
    if failures:
        statements.append(
            NamedStatement(
                "arrows/retry_or_fail",
                owner | _fence(failures) | _ages(failures) | _errors(failures, max_retries),
            )
        )
    if snoozes:
        delays = NumberArray(o.delay_seconds for o in snoozes)
        statements.append(NamedStatement("arrows/snooze", owner | _fence(snoozes) | {"delays": delays}))
    if cancelled:
        statements.append(cancel_statement(flow_name, flow_instance_id, cancelled))
    return statements


def held_statements(
    run: dict[str, Any], outcomes: Sequence[Outcome], rest: Sequence[Record], max_retries: int
) -> list[NamedStatement]:
    """Like `outcome_statements`, for records that the run has locked but not claimed. One statement claims and
    completes the completed records. Another claims all other records, including `rest`, before their outcomes are
    written. `run`: the parameters of a claim by the run."""
    completed = _in_id_order([o for o in outcomes if isinstance(o, Completed)])
    others = [o for o in outcomes if not isinstance(o, Completed)]
    claimed = [*(o.record for o in others), *rest]
    statements: list[NamedStatement] = []
    if completed:
        parameters = run | _fence(completed) | _ages(completed) | _results(completed)
        statements.append(NamedStatement("arrows/complete_held", parameters))
    if claimed:
        statement = _records_statement(
            "arrows/claim_held", run["flow_name"], run["flow_instance_id"], claimed
        )
        statements.append(NamedStatement(statement.name, run | statement.parameters))
    return statements + outcome_statements(run["flow_name"], run["flow_instance_id"], others, max_retries)


def has_follow_ups(outcomes: Sequence[Outcome]) -> bool:
    return any(isinstance(o, Completed) and o.follow_ups for o in outcomes)


def follow_up_parameters(outcomes: Sequence[Outcome], written: Written) -> list[dict[str, Any]]:
    """The follow-up records of those records whose completion was accepted."""
    accepted = set(written.completed_ids)
    completed = [o for o in outcomes if isinstance(o, Completed) and o.record.id in accepted]
    return [follow_up for o in completed for follow_up in o.follow_ups]


def write_follow_ups(cursor: Cursor[Any], outcomes: Sequence[Outcome], written: Written) -> None:
    if has_follow_ups(outcomes):
        for follow_up in follow_up_parameters(outcomes, written):
            rows = cursor.execute(sql("arrows/enqueue"), follow_up).fetchall()
            read_follow_up(follow_up, rows[0], written)


def read_follow_up(parameters: dict[str, Any], row: tuple[Any, ...], written: Written) -> None:
    """Raises UnknownFlowError if somebody deleted the flow of the follow-up record after the handler had called
    `context.enqueue`."""
    _, what, celery_queue = row
    if what == "unknown flow":
        raise UnknownFlowError(
            f"the flow {parameters['flow_name']} is not registered any more: start its worker"
        )
    written.flows_to_hint.add((parameters["flow_name"], celery_queue))


def release_statement(flow_name: str, flow_instance_id: UUID, records: Sequence[Record]) -> NamedStatement:
    return _records_statement("arrows/release", flow_name, flow_instance_id, records)


def cancel_statement(flow_name: str, flow_instance_id: UUID, records: Sequence[Record]) -> NamedStatement:
    return _records_statement("arrows/cancel_owned", flow_name, flow_instance_id, records)


def read_all_written(
    writers: Sequence[Cursor[Any]], statements: Sequence[NamedStatement], written: Written
) -> None:
    for writer, statement in zip(writers, statements, strict=True):
        read_written(statement, writer.fetchall(), written)


def read_written(statement: NamedStatement, rows: Sequence[tuple[Any, ...]], written: Written) -> None:
    """Adds to `written` the rows that one executed statement has returned. There is one row for each record whose
    outcome the statement accepted: `(id,)` or `(id, status)`."""
    by_status = {
        "failed": written.failed_ids,
        "cancelled": written.cancelled_ids,
        "pending": written.snoozed_ids if statement.name == "arrows/snooze" else written.retried_ids,
    }
    if statement.name in ("arrows/complete", "arrows/complete_held"):
        written.completed_ids += [row[0] for row in rows]
    elif statement.name == "arrows/cancel_owned":
        written.cancelled_ids += [row[0] for row in rows]
    else:
        for record_id, status in rows:
            by_status[status].append(record_id)
    accepted = {row[0] for row in rows}
    written.refused_ids += [i for i in statement.parameters["ids"] if i not in accepted]


def claims_of(flow_instance_id: UUID, records: Sequence[Record]) -> dict[str, Any]:
    """The parameters of the statements that look for the run's own claims of these records."""
    return {
        "flow_instance_id": flow_instance_id,
        "ids": [record.id for record in records],
        "claim_numbers": [record.claim_number for record in records],
    }


def unwritten(
    cursor: Cursor[Any], run: Mapping[str, Any], outcomes: Sequence[Outcome], written: Written
) -> list[Outcome]:
    """Call this after a COMMIT that may or may not have happened, before other statements. Adds to `written` what that
    COMMIT wrote, and returns the outcomes that the COMMIT did not write. `run`: the run's parameters."""
    with cursor.connection.pipeline():
        cursor.execute(sql("runs/plan_once"), run)
        records = [outcome.record for outcome in outcomes]
        parameters = claims_of(run["flow_instance_id"], records)
        cursor.execute(sql("runs/finished_under_claim"), parameters)
    found = set(cursor.fetchall())
    return [outcome for outcome in outcomes if not _add_if_found(outcome, found, written)]


def _add_if_found(outcome: Outcome, found: set[tuple[Any, ...]], written: Written) -> bool:
    ids_by_status = {
        "completed": written.completed_ids,
        "failed": written.failed_ids,
        "cancelled": written.cancelled_ids,
        "retried": written.retried_ids,
    }
    if isinstance(outcome, Snooze):
        ids_by_status["pending"] = written.snoozed_ids
    for status, ids in ids_by_status.items():
        if (outcome.record.id, status) in found:
            ids.append(outcome.record.id)
            return True
    return False


def _records_statement(
    name: str, flow_name: str, flow_instance_id: UUID, records: Sequence[Record]
) -> NamedStatement:
    ordered = sorted(records, key=lambda record: record.id)
    return NamedStatement(
        name,
        {
            "flow_name": flow_name,
            "flow_instance_id": flow_instance_id,
            "ids": NumberArray(record.id for record in ordered),
            "claim_numbers": NumberArray(record.claim_number for record in ordered),
        },
    )


def _in_id_order(outcomes: list[T]) -> list[T]:
    return sorted(outcomes, key=lambda outcome: outcome.record.id)


def _fence(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "ids": NumberArray([o.record.id for o in outcomes]),
        "claim_numbers": NumberArray([o.record.claim_number for o in outcomes]),
    }


def _ages(outcomes: Sequence[Completed] | Sequence[Failure]) -> dict[str, Any]:
    """How long ago each handler began and ended. The database turns these ages into instants of its own clock."""
    now = time.monotonic()
    durations = [o.finished - o.started for o in outcomes]
    return {
        "started_ages": NumberArray([now - o.started for o in outcomes]),
        "finished_ages": NumberArray([now - o.finished for o in outcomes]),
        "processing_seconds": sum(durations),
        "processing_histogram": NumberArray(count_durations(durations)),
    }


def _results(outcomes: Sequence[Completed]) -> dict[str, Any]:
    """If no record has a result, the parameter is NULL instead of an array of NULLs. `unnest` reads both as a NULL for
    each record."""
    results = [o.result.decode() if o.result is not None else None for o in outcomes]
    return {"results": results if any(results) else None}


def _errors(failures: Sequence[Failure], max_retries: int) -> dict[str, Any]:
    return {
        "max_retries": max_retries,
        "retry_delays": [o.retry_delay_seconds for o in failures],
        "exception_types": [o.exception_type for o in failures],
        "error_messages": [o.error_message for o in failures],
        "error_groups": [o.error_group for o in failures],
        "tracebacks": [o.traceback for o in failures],
    }
