"""Rules about the records of a flow."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding
from queue_store.plural import plural, word
from queue_store.readings.windows import Window

from ..snapshot import BACKLOG_RECORDS, HOUR_SECONDS, Snapshot
from .handler_rules import handlers_in_the_way, how_to_end
from .register import rule

BACKLOG_SECONDS = 1_800.0
BACKLOG_LOOKS = 20  # this many of the last 30 minutes must have a stored depth; only a fold stores a depth
BASELINE_WEEKS = 2
BASELINE_OUTCOMES_PER_HOUR = 20.0


@rule("success_rate")
def success_rate(snapshot: Snapshot) -> Iterator[Finding]:
    """Judges the success rate of the last hour, or of the last day if the last hour had too few outcomes."""
    for flow in snapshot.flows:
        windows = (snapshot.hour.get(flow.flow_name), snapshot.day.get(flow.flow_name))
        window = next((w for w in windows if w and w.success_rate_percent is not None), None)
        if window is None or window.success_rate_percent is None:
            continue
        figure = window.success_rate_percent
        judged = snapshot.settings.alert_thresholds.judge("success_rate", figure, flow.flow_name)
        if judged:
            yield Finding(
                code="success_rate",
                level=judged[0],
                message=f"{flow.flow_name}: {figure:g} % of {window.outcomes} records succeeded in the last "
                f"{hours(window)}, below {judged[1]:g} %.",
                next_step=f"look at what fails: queuectl failures --flow {flow.flow_name}",
                flow_name=flow.flow_name,
                figure=figure,
                threshold=judged[1],
            )


@rule("processing_rate")
def processing_rate(snapshot: Snapshot) -> Iterator[Finding]:
    """Judges the outcomes per hour. Only the time in which a due record waited and could be claimed is counted."""
    for flow_name, recent in snapshot.recent.items():
        figure = recent.outcomes_per_hour
        judged = snapshot.settings.alert_thresholds.judge("processing_rate", figure, flow_name)
        if judged:
            yield Finding(
                code="processing_rate",
                level=judged[0],
                message=f"{flow_name}: {figure:g} records an hour while due work waits, below {judged[1]:g}.",
                next_step=how_to_go_faster(snapshot, flow_name),
                flow_name=flow_name,
                figure=figure,
                threshold=judged[1],
            )


def how_to_go_faster(snapshot: Snapshot, flow_name: str) -> str:
    """If hung handlers occupy the flow's worker processes, advises ending these handlers instead of adding
    containers."""
    if hung := handlers_in_the_way(snapshot, flow_name):
        return how_to_end(hung)
    return "see whether workers are alive and busy, then add containers or raise the batch size: queuectl capacity"


@rule("failed_records")
def failed_records(snapshot: Snapshot) -> Iterator[Finding]:
    """Judges all records that are failed now, however old they are."""
    for flow in snapshot.flows:
        judged = snapshot.settings.alert_thresholds.judge("failed_records", flow.failed, flow.flow_name)
        if judged:
            today = snapshot.day.get(flow.flow_name)
            yield Finding(
                code="failed_records",
                level=judged[0],
                message=f"{flow.flow_name}: {flow.failed} failed records, more than {judged[1]:g}; "
                f"{today.failed if today else 0} failed in the last 24 hours.",
                next_step=f"see the kinds of errors with queuectl failures --flow {flow.flow_name}, mend the cause, "
                f"then call queuectl reset --flow {flow.flow_name}",
                flow_name=flow.flow_name,
                figure=flow.failed,
                threshold=judged[1],
            )


@rule("recent_failures")
def recent_failures(snapshot: Snapshot) -> Iterator[Finding]:
    """Judges the failures of the last hour. So a new problem is found even if the failed records have been reset.
    Yields nothing for a flow that `failed_records` reports."""
    for flow in snapshot.flows:
        window = snapshot.hour.get(flow.flow_name, Window(HOUR_SECONDS, flow.flow_name))
        judged = snapshot.settings.alert_thresholds.judge("failed_records", window.failed, flow.flow_name)
        if (
            judged
            and snapshot.settings.alert_thresholds.judge("failed_records", flow.failed, flow.flow_name)
            is None
        ):
            yield Finding(
                code="recent_failures",
                level=judged[0],
                message=f"{flow.flow_name}: {window.failed} records failed in the last hour, more than {judged[1]:g}.",
                next_step=f"look at what fails: queuectl failures --flow {flow.flow_name}",
                flow_name=flow.flow_name,
                figure=window.failed,
                threshold=judged[1],
            )


@rule("orphaned_records")
def orphaned_records(snapshot: Snapshot) -> Iterator[Finding]:
    """Judges only orphans that rescue should already have given back. For a few seconds after a crash, orphans are
    normal."""
    by_flow: dict[str, int] = {}
    for group in snapshot.orphans:
        by_flow[group.flow_name] = by_flow.get(group.flow_name, 0) + group.late_count
    for flow_name, count in by_flow.items():
        judged = snapshot.settings.alert_thresholds.judge("orphaned_records", count, flow_name)
        if judged:
            causes = sorted({group.cause for group in snapshot.orphans if group.flow_name == flow_name})
            yield Finding(
                code="orphaned_records",
                level=judged[0],
                message=f"{flow_name}: {count} orphaned records ({', '.join(causes)}), more than {judged[1]:g}.",
                next_step="queuectl maintenance --cleanup-orphaned-records --no-dry-run; "
                "then see why rescue did not give them back: is the worker of the control queue alive?",
                flow_name=flow_name,
                figure=count,
                threshold=judged[1],
            )


@rule("failing_claims")
def failing_claims(snapshot: Snapshot) -> Iterator[Finding]:
    """The claims of the flow fail again and again, so no records are processed, although the flow's workers are
    alive."""
    for failing in snapshot.failing_claims:
        yield Finding(
            code="failing_claims",
            level="critical",
            message=f"{failing.flow_name}: claims have failed since {failing.since:%Y-%m-%d %H:%M:%S %Z}, "
            f"{failing.failed_count} so far: {failing.error}",
            next_step="correct what the error names; for missing rights or tables: queuectl migrate, then "
            "queuectl grant-roles",
            flow_name=failing.flow_name,
            figure=failing.failed_count,
        )


@rule("endless_claims")
def endless_claims(snapshot: Snapshot) -> Iterator[Finding]:
    """Some records were claimed again and again, because each run ended before they had an outcome. Each further
    claim without an outcome gives such a record a crash strike."""
    for endless in snapshot.endless_claims:
        ids = ", ".join(str(record_id) for record_id in endless.record_ids)
        yield Finding(
            code="endless_claims",
            level="warning",
            message=f"{endless.flow_name}: {plural(endless.record_count)} {word(endless.record_count, 'was', 'were')} "
            f"claimed up to {plural(endless.most_claims, 'time')} without an outcome, and "
            f"{word(endless.record_count, 'is', 'are')} now claimed alone: {ids}.",
            next_step=f"see why their runs end: queuectl explain {endless.record_ids[0]}, and the worker's log",
            flow_name=endless.flow_name,
            figure=endless.record_count,
        )


@rule("backlog")
def backlog(snapshot: Snapshot) -> Iterator[Finding]:
    """For half an hour, more than BACKLOG_RECORDS due records have been waiting. More containers are needed. The
    records of flows in `Snapshot.waiting_for_keys` are not counted."""
    if not snapshot.depths:
        return
    newest = snapshot.depths[-1].minute
    looks = [d for d in snapshot.depths if (newest - d.minute).total_seconds() <= BACKLOG_SECONDS]
    span_seconds = (newest - looks[0].minute).total_seconds()
    least = min(look.waiting for look in looks)
    waits = (snapshot.claimable.oldest_due_seconds or 0) > BACKLOG_SECONDS
    if waits and span_seconds >= BACKLOG_SECONDS and len(looks) >= BACKLOG_LOOKS and least > BACKLOG_RECORDS:
        yield Finding(
            code="backlog",
            level="warning",
            message=f"Throughout the last 30 minutes, at least {least} due records were waiting. "
            f"The limit is {BACKLOG_RECORDS}.",
            next_step="see how many containers are wanted: queuectl capacity",
            figure=least,
            threshold=BACKLOG_RECORDS,
        )


@rule("rate_below_usual")
def rate_below_usual(snapshot: Snapshot) -> Iterator[Finding]:
    """The flow has far fewer outcomes than is usual for this hour of the week, although due work that can be claimed is
    waiting."""
    share = 1 - snapshot.settings.baseline_drop_percent / 100
    for flow_name, recent in snapshot.recent.items():
        usual = snapshot.baselines.get(flow_name)
        if usual is None or usual.week_count < BASELINE_WEEKS:
            continue
        threshold = usual.outcomes_per_hour * share
        if usual.outcomes_per_hour >= BASELINE_OUTCOMES_PER_HOUR and recent.outcomes_per_hour < threshold:
            yield Finding(
                code="rate_below_usual",
                level="warning",
                message=f"{flow_name}: {recent.outcomes_per_hour:g} records an hour. The usual number at this hour of "
                f"the week is {usual.outcomes_per_hour:g}. The limit is {100 * share:g} % of that: {threshold:g}.",
                next_step="compare with the last deploy, the database's response time and the top errors: "
                "queuectl check --performance",
                flow_name=flow_name,
                figure=recent.outcomes_per_hour,
                threshold=threshold,
            )


def hours(window: Window) -> str:
    count = window.seconds / 3600
    return "hour" if count == 1 else f"{count:g} hours"
