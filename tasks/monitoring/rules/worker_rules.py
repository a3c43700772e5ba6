"""Rules about the worker processes."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding

from ..snapshot import Snapshot

WAIT_SECONDS = 60.0
BUSY_PERCENT = 80.0
DEATHS = 1  # a single one may be frozen and hold what it has


def all_workers_gone(snapshot: Snapshot) -> Iterator[Finding]:
    """Due work waits, or records are held by the dead, and no worker process that runs flows is alive."""
    waits = snapshot.open.due and (snapshot.open.oldest_due_seconds or 0) >= WAIT_SECONDS
    stranded = sum(group.late_count for group in snapshot.orphans)
    if snapshot.fleet.served_flows or snapshot.overall.is_stopped or not (waits or stranded):
        return
    yield Finding(
        "all_workers_gone",
        "emergency",
        f"No worker process is alive while {snapshot.open.due} due records wait"
        + (f" and {stranded} are stranded." if stranded else "."),
        "restart the workers and read their logs; see docs/runbook.md, Critical system failure",
        None,
        0,
        1,
    )


def flows_not_served(snapshot: Snapshot) -> Iterator[Finding]:
    """Workers are alive, but none of them has the flow."""
    if not snapshot.fleet.served_flows:
        return
    for flow in snapshot.flows:
        waits = flow.due and (flow.oldest_due_seconds or 0) >= WAIT_SECONDS and not flow.is_stopped
        if waits and flow.flow_name not in snapshot.fleet.served_flows:
            yield Finding(
                "flow_not_served",
                "critical",
                f"{flow.flow_name}: {flow.due} due records wait and no living worker has this flow.",
                "start a worker that imports the flow (FLOW_MODULES) and serves its Celery queue",
                flow.flow_name,
                flow.due,
                0,
            )


def busy_processors(snapshot: Snapshot) -> Iterator[Finding]:
    """The processes of one host together: one busy process on an idle host is work, not trouble."""
    busy = _over(BUSY_PERCENT, _by_host(snapshot, "processors_percent"))
    if busy:
        host, percent = busy[0]
        yield Finding(
            "busy_processors",
            "warning",
            f"The worker processes of {len(busy)} host(s) use more than {BUSY_PERCENT:g} % of their processors, "
            f"{host} {percent:.0f} %.",
            "give the containers more processors, or profile the flow",
            None,
            percent,
            BUSY_PERCENT,
        )


def full_memory(snapshot: Snapshot) -> Iterator[Finding]:
    full = _over(BUSY_PERCENT, _by_host(snapshot, "memory_percent"))
    if full:
        host, percent = full[0]
        yield Finding(
            "full_memory",
            "warning",
            f"The worker processes of {len(full)} host(s) use more than {BUSY_PERCENT:g} % of their memory, "
            f"{host} {percent:.0f} %.",
            "give the containers more memory, or fewer worker processes each",
            None,
            percent,
            BUSY_PERCENT,
        )


def _by_host(snapshot: Snapshot, figure: str) -> dict[str, float]:
    by_host: dict[str, float] = {}
    for process in snapshot.fleet.alive:
        by_host[process.hostname] = by_host.get(process.hostname, 0) + (getattr(process, figure) or 0)
    return by_host


def _over(limit: float, by_host: dict[str, float]) -> list[tuple[str, float]]:
    """The highest first."""
    return sorted(((h, p) for h, p in by_host.items() if p > limit), key=lambda item: -item[1])


def deaths(snapshot: Snapshot) -> Iterator[Finding]:
    dead = [process for process in snapshot.fleet.processes if process.state == "dead"]
    if len(dead) >= DEATHS:
        hosts = sorted({process.hostname for process in dead})
        yield Finding(
            "worker_deaths",
            "warning",
            f"{len(dead)} worker process{'es' if len(dead) > 1 else ''} died or fell silent in the last hour, "
            f"on {', '.join(hosts[:5])}.",
            "look for frozen processes, for records that kill theirs (queuectl failures), for the kernel's OOM killer",
            None,
            len(dead),
            DEATHS,
        )
