"""Reasons why a pending record has not been claimed, or why a flow makes no progress. These reasons follow the
conditions of claim.sql and register_run.sql."""

from queue_store.database.statements import sql
from queue_store.explain.facts import COUNT_LIMIT, Facts
from queue_store.explain.reasons import FLOW, Reason, lasting, reason
from queue_store.plural import plural, word
from queue_store.readings.waiting_for_keys import read_flows_waiting_for_keys

PENDING = ("pending",)


@reason("in_express_slice", of=PENDING)
def in_express_slice(facts: Facts) -> Reason | None:
    run = facts.slice
    if run is None:
        return None
    place = f" in process {run.pid} on {run.hostname}" if run.hostname else ""
    text = (
        f"It is in the express slice of run {run.flow_instance_id}{place}. The run holds the record's lock while "
        "handlers run. The record will be completed or claimed in a moment."
    )
    return Reason("in_express_slice", text, details={"flow_instance_id": str(run.flow_instance_id)})


@reason("not_due_yet", of=PENDING)
def not_due_yet(facts: Facts) -> Reason | None:
    record = facts.record
    seconds = (record.scheduled_at - facts.now).total_seconds()
    if seconds <= 0 or record.retry_count:
        return None
    text = f"It is not due yet: it is scheduled for {record.scheduled_at:%Y-%m-%d %H:%M:%S %Z}, in {lasting(seconds)}."
    return Reason("not_due_yet", text, until=record.scheduled_at)


@reason("waiting_for_retry", of=PENDING)
def waiting_for_retry(facts: Facts) -> Reason | None:
    record = facts.record
    seconds = (record.scheduled_at - facts.now).total_seconds()
    if seconds <= 0 or not record.retry_count:
        return None
    text = (
        f"{plural(record.retry_count, 'attempt')} failed, the last with: {record.error.rstrip('.')}. "
        f"The next attempt is due in {lasting(seconds)}, at {record.scheduled_at:%Y-%m-%d %H:%M:%S %Z}."
    )
    details = {
        "retry_count": record.retry_count,
        "exception_type": record.exception_type,
        "error_message": record.error_message,
    }
    return Reason("waiting_for_retry", text, until=record.scheduled_at, details=details)


@reason("processing_stopped", of=("pending", FLOW))
def processing_stopped(facts: Facts) -> Reason | None:
    flow = facts.flow
    if flow.processing_stopped_at is None:
        return None
    return Reason(
        "processing_stopped",
        f"Processing has been stopped for all flows since {flow.processing_stopped_at:%Y-%m-%d %H:%M:%S %Z}: "
        f"{flow.processing_stop_reason or 'no reason given'}. `queuectl resume --all` resumes it.",
    )


@reason("flow_paused", of=("pending", FLOW))
def flow_paused(facts: Facts) -> Reason | None:
    flow = facts.flow
    if flow.paused_at is None:
        return None
    return Reason(
        "flow_paused",
        f"The flow {facts.flow_name} has been paused since {flow.paused_at:%Y-%m-%d %H:%M:%S %Z}: "
        f"{flow.pause_reason or 'no reason given'}. `queuectl resume {facts.flow_name}` resumes it.",
    )


@reason("claims_fail", of=("pending", FLOW))
def claims_fail(facts: Facts) -> Reason | None:
    flow = facts.flow
    if flow.claims_failing_since is None:
        return None
    return Reason(
        "claims_fail",
        f"Claims of the flow {facts.flow_name} have failed since {flow.claims_failing_since:%Y-%m-%d %H:%M:%S %Z}: "
        f"{flow.claims_error}",
    )


@reason("ingestion_stopped", of=(FLOW,))
def ingestion_stopped(facts: Facts) -> Reason | None:
    flow = facts.flow
    since = flow.all_ingestion_stopped_at or flow.ingestion_stopped_at
    if since is None:
        return None
    whose = "for all flows" if flow.all_ingestion_stopped_at else f"for {facts.flow_name}"
    why = flow.all_ingestion_stop_reason or flow.ingestion_stop_reason or "no reason given"
    text = f"New records have been refused {whose} since {since:%Y-%m-%d %H:%M:%S %Z}: {why}."
    return Reason("ingestion_stopped", text, is_blocking=False)


@reason("runs_capped", of=("pending", FLOW))
def runs_capped(facts: Facts) -> Reason | None:
    cap = facts.flow.max_runs
    if cap is None or len(facts.runs) < cap:
        return None
    holders = [f"{run.flow_instance_id} ({run.hostname}, process {run.pid})" for run in facts.runs[:5]]
    active = f"{word(cap, 'It is', 'All are')} active now: {', '.join(holders)}"
    text = f"The flow may have {plural(cap, 'run')} at a time. {active}."
    ids = [str(run.flow_instance_id) for run in facts.runs]
    return Reason("runs_capped", text, is_blocking=False, details={"max_runs": cap, "flow_instance_ids": ids})


@reason("waiting_for_key", of=PENDING)
def waiting_for_key(facts: Facts) -> Reason | None:
    record = facts.record
    earlier = _comes_first(facts, record.id, record.order_key)
    if earlier is None:
        return None
    text = (
        f"Records with the same order_key run one after the other: record {earlier[0]}, which is {earlier[1]}, comes "
        "first."
    )
    return Reason("waiting_for_key", text, details={"record_id": earlier[0], "status": earlier[1]})


@reason("waiting_for_key", of=(FLOW,))
def all_waiting_for_keys(facts: Facts) -> Reason | None:
    """No due record can be claimed. The reason describes the oldest due record, as an example."""
    waiting = facts.waiting
    if waiting.oldest_due_id is None:
        return None
    earlier = _comes_first(facts, waiting.oldest_due_id, waiting.oldest_due_key)
    if earlier is None:
        return None
    if not read_flows_waiting_for_keys(facts.cursor, [facts.flow_name], grace_seconds=0):
        return None
    text = (
        "No due record can be claimed now, because each waits for an earlier record with the same order_key. For "
        f"example, record {waiting.oldest_due_id} waits for record {earlier[0]}, which is {earlier[1]}: "
        f"`queuectl explain {earlier[0]}`."
    )
    return Reason("waiting_for_key", text, details={"record_id": earlier[0], "status": earlier[1]})


def _comes_first(facts: Facts, record_id: int, order_key: str | None) -> tuple[int, str] | None:
    """The id and the status of the record that must finish before this record can be claimed."""
    if order_key is None:
        return None
    parameters = {
        "flow_name": facts.flow_name,
        "order_key": order_key,
        "id": record_id,
        "failure_blocks_key": facts.flow.failure_blocks_key,
    }
    return facts.cursor.execute(sql("explain/order_key"), parameters).fetchone()


@reason("isolated_as_suspect", of=PENDING)
def isolated_as_suspect(facts: Facts) -> Reason | None:
    record = facts.record
    if record.batch_limit is None:
        return None
    company = (
        "alone" if record.batch_limit == 1 else f"with at most {plural(record.batch_limit - 1, 'other')}"
    )
    why = "It was in the batch of a process that died"
    if record.unfinished_claims > 1:
        why = f"Its last {record.unfinished_claims} claims ended without an outcome"
    strikes = f" ({plural(record.crash_strikes, 'crash strike')})" if record.crash_strikes else ""
    text = f"{why}{strikes}. It is now claimed {company}, to find the record that kills processes."
    return Reason("isolated_as_suspect", text, is_blocking=False, details={"batch_limit": record.batch_limit})


@reason("behind_others", of=PENDING)
def behind_others(facts: Facts) -> Reason | None:
    record = facts.record
    if record.scheduled_at > facts.now or record.batch_limit is not None:
        return None
    parameters = {
        "flow_name": record.flow_name,
        "priority": record.priority,
        "scheduled_at": record.scheduled_at,
        "id": record.id,
        "limit": COUNT_LIMIT,
    }
    row = facts.cursor.execute(sql("explain/ahead"), parameters).fetchone()
    ahead = row[0] if row else 0
    if not ahead:
        return None
    count = plural(ahead) if ahead < COUNT_LIMIT else f"at least {plural(ahead)}"
    text = f"{count} of the flow {word(ahead, 'is', 'are')} claimed before this one: more urgent, or due for longer."
    return Reason("behind_others", text, is_blocking=False, details={"ahead": ahead})


@reason("waiting_for_claim", of=PENDING)
def waiting_for_claim(facts: Facts) -> Reason | None:
    record = facts.record
    if record.scheduled_at > facts.now:
        return None
    waited = lasting((facts.now - record.scheduled_at).total_seconds())
    text = f"It has been due for {waited} and waits for a worker process to claim it."
    return Reason("waiting_for_claim", text, is_blocking=False)


@reason("isolated_records", of=(FLOW,))
def isolated_records(facts: Facts) -> Reason | None:
    count = facts.waiting.suspect_count
    if not count:
        return None
    text = (
        f"{plural(count)} may have killed a process and {word(count, 'is', 'are')} claimed in small batches."
    )
    return Reason("isolated_records", text, is_blocking=False, details={"record_count": count})


@reason("work_waits", of=(FLOW,))
def work_waits(facts: Facts) -> Reason | None:
    waiting = facts.waiting
    if waiting.oldest_due_at is None:
        return None
    waited = lasting((facts.now - waiting.oldest_due_at).total_seconds())
    due, run_count = waiting.due_count, len(facts.runs)
    count = plural(due) if due < COUNT_LIMIT else f"At least {plural(due)}"
    runs = (
        f"{plural(run_count, 'run')} {word(run_count, 'works', 'work')} on the flow"
        if facts.runs
        else "no run works on the flow yet"
    )
    text = f"{count} {word(due, 'is', 'are')} due, the oldest for {waited}; {runs}."
    return Reason("work_waits", text, is_blocking=False, details={"due_count": waiting.due_count})


@reason("nothing_due", of=(FLOW,))
def nothing_due(facts: Facts) -> Reason | None:
    waiting = facts.waiting
    if waiting.due_count:
        return None
    next_due = (
        f" The next one is due at {waiting.next_due_at:%Y-%m-%d %H:%M:%S %Z}." if waiting.next_due_at else ""
    )
    text = f"No record of the flow is due.{next_due}"
    return Reason("nothing_due", text, is_blocking=False, until=waiting.next_due_at)
