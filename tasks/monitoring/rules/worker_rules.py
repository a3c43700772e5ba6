"""Rules about the worker processes."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding
from queue_store.plural import plural
from queue_store.readings.fleet import GONE_LIMIT
from queue_store.suggestions import closest

from ..snapshot import Snapshot
from .register import rule

WAIT_SECONDS = 60.0
BUSY_PERCENT = 80.0
CLOCK_SKEW_SECONDS = 5.0
DEATHS = 1  # one death is enough for a finding: a process declared dead may be frozen and still hold locks


@rule("all_workers_gone")
def all_workers_gone(snapshot: Snapshot) -> Iterator[Finding]:
    """No worker process that runs flows is alive, while due work waits or dead processes hold records."""
    waits = snapshot.open.due and (snapshot.open.oldest_due_seconds or 0) >= WAIT_SECONDS
    stranded = sum(group.late_count for group in snapshot.orphans)
    if snapshot.fleet.served_flows or snapshot.overall.is_stopped or not (waits or stranded):
        return
    yield Finding(
        code="all_workers_gone",
        level="emergency",
        message=f"No worker process is alive while {snapshot.open.due} due records wait"
        + (f" and {stranded} orphans wait for rescue." if stranded else "."),
        next_step="restart the workers and read their logs; see docs/runbook.md, Critical system failure",
        figure=0,
        threshold=1,
    )


@rule("flow_not_served")
def flows_not_served(snapshot: Snapshot) -> Iterator[Finding]:
    if not snapshot.fleet.served_flows:
        return
    for flow in snapshot.flows:
        waits = flow.due and (flow.oldest_due_seconds or 0) >= WAIT_SECONDS
        is_open = flow.is_registered and not flow.is_stopped
        if waits and is_open and flow.flow_name not in snapshot.fleet.served_flows:
            yield Finding(
                code="flow_not_served",
                level="critical",
                message=f"{flow.flow_name}: {flow.due} due records wait and no living worker has this flow.",
                next_step="start a worker that imports the flow (FLOW_MODULES) and serves its Celery queue",
                flow_name=flow.flow_name,
                figure=flow.due,
                threshold=0,
            )


@rule("unknown_flow")
def unknown_flow(snapshot: Snapshot) -> Iterator[Finding]:
    """Records wait under a name that is not a registered flow. Usually somebody mistyped the name in a plain INSERT.
    The records of a new flow do not cause this finding, because the deploy registers the flow first."""
    known = [flow.flow_name for flow in snapshot.flows if flow.is_registered]
    for flow in snapshot.flows:
        is_young = flow.due == flow.pending and (flow.oldest_due_seconds or 0) < WAIT_SECONDS
        if flow.is_registered or not flow.pending or is_young:
            continue
        name = flow.flow_name
        yield Finding(
            code="unknown_flow",
            level="critical" if flow.due else "warning",
            message=f"{name}: {flow.pending} pending records have this name, which is not a flow.",
            next_step=f"move them to a flow: queuectl move {name} {closest(name, known) or 'FLOW'}; "
            f"or cancel them: queuectl cancel --flow {name}; if the flow is new: queuectl register",
            flow_name=name,
            figure=flow.pending,
            threshold=0,
        )


@rule("busy_processors")
def busy_processors(snapshot: Snapshot) -> Iterator[Finding]:
    """Judges the processes of each host together. One busy process on an idle host is normal."""
    busy = _over(BUSY_PERCENT, _by_host(snapshot, "processors_percent"))
    if busy:
        host, percent = busy[0]
        yield Finding(
            code="busy_processors",
            level="warning",
            message=f"The worker processes of {plural(len(busy), 'host')} use more than {BUSY_PERCENT:g} % of their "
            f"processors; {host} uses most, {percent:.0f} %.",
            next_step="give the containers more processors, or profile the flow",
            figure=percent,
            threshold=BUSY_PERCENT,
        )


@rule("full_memory")
def full_memory(snapshot: Snapshot) -> Iterator[Finding]:
    full = _over(BUSY_PERCENT, _by_host(snapshot, "memory_percent"))
    if full:
        host, percent = full[0]
        yield Finding(
            code="full_memory",
            level="warning",
            message=f"The worker processes of {plural(len(full), 'host')} use more than {BUSY_PERCENT:g} % of their "
            f"memory; {host} uses most, {percent:.0f} %.",
            next_step="give the containers more memory, or fewer worker processes each",
            figure=percent,
            threshold=BUSY_PERCENT,
        )


@rule("wrong_clock")
def wrong_clock(snapshot: Snapshot) -> Iterator[Finding]:
    """No status depends on a host's clock. But the times in the host's logs depend on its clock, and so does the expiry
    of Celery messages that enqueue records."""
    skews: dict[str, float] = {}
    for process in snapshot.fleet.alive:
        skew = process.clock_skew_seconds or 0.0
        if abs(skew) > abs(skews.get(process.hostname, CLOCK_SKEW_SECONDS)):
            skews[process.hostname] = skew
    if not skews:
        return
    hosts = sorted(skews, key=lambda host: -abs(skews[host]))
    named = ", ".join(f"{host} {abs(skews[host]):.0f} s {_direction(skews[host])}" for host in hosts[:5])
    yield Finding(
        code="wrong_clock",
        level="warning",
        message=f"The clocks of {plural(len(skews), 'host')} differ from the database's by more than "
        f"{CLOCK_SKEW_SECONDS:g} s: {named}.",
        next_step="start NTP on them (timedatectl, chronyc tracking); if all hosts differ, look at the database's "
        "host",
        figure=abs(skews[hosts[0]]),
        threshold=CLOCK_SKEW_SECONDS,
    )


def _direction(skew: float) -> str:
    return "ahead" if skew > 0 else "behind"


def _by_host(snapshot: Snapshot, figure: str) -> dict[str, float]:
    by_host: dict[str, float] = {}
    for process in snapshot.fleet.alive:
        by_host[process.hostname] = by_host.get(process.hostname, 0) + (getattr(process, figure) or 0)
    return by_host


def _over(limit: float, by_host: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(((h, p) for h, p in by_host.items() if p > limit), key=lambda item: -item[1])


@rule("worker_deaths")
def deaths(snapshot: Snapshot) -> Iterator[Finding]:
    dead = [process for process in snapshot.fleet.processes if process.state == "dead"]
    is_cut_off = len(snapshot.fleet.processes) - len(snapshot.fleet.alive) >= GONE_LIMIT
    if len(dead) >= DEATHS:
        hosts = sorted({process.hostname for process in dead})
        yield Finding(
            code="worker_deaths",
            level="warning",
            message=f"{'At least ' if is_cut_off else ''}{len(dead)} worker "
            f"process{'es' if len(dead) > 1 else ''} died or fell silent in the last hour, "
            f"on {', '.join(hosts[:5])}.",
            next_step="look for frozen processes, for records that kill their process (queuectl failures), "
            "and for messages of the kernel's OOM killer",
            figure=len(dead),
            threshold=DEATHS,
        )
