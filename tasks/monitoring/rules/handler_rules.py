"""Rules about handlers that do not return."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding
from queue_store.plural import plural, word
from queue_store.readings.hung_handlers import HungHandler

from ..snapshot import Snapshot
from .register import rule

SHOWN = 5


@rule("hung_handlers")
def hung_handlers(snapshot: Snapshot) -> Iterator[Finding]:
    """Yields one finding for each flow with hung handlers. A finding is critical if hung handlers occupy every
    worker process that serves the flow."""
    by_flow: dict[str, list[HungHandler]] = {}
    for hung in snapshot.hung_handlers:
        by_flow.setdefault(hung.handler.flow_name, []).append(hung)
    for flow_name, of_flow in by_flow.items():
        yield Finding(
            code="hung_handlers",
            level="critical" if handlers_in_the_way(snapshot, flow_name) else "warning",
            message=f"{flow_name}: {plural(len(of_flow), 'handler')} "
            f"{word(len(of_flow), 'runs', 'run')} far longer than usual: "
            + "; ".join(hung.text for hung in of_flow[:SHOWN])
            + ("; …" if len(of_flow) > SHOWN else "."),
            next_step=how_to_end(of_flow) + "; then give the flow time_limit_seconds",
            flow_name=flow_name,
            figure=round(of_flow[0].handler.quiet_seconds),
            threshold=of_flow[0].allowed_seconds,
        )


def handlers_in_the_way(snapshot: Snapshot, flow_name: str) -> list[HungHandler]:
    """The hung handlers, of any flow, in the living worker processes that serve this flow. The list is empty if at
    least one of these processes has no hung handler."""
    serving = {p.worker_process_id for p in snapshot.fleet.alive if flow_name in p.flow_names}
    hung = [h for h in snapshot.hung_handlers if h.handler.worker_process_id in serving]
    return hung if serving == {h.handler.worker_process_id for h in hung} else []


def how_to_end(hung: list[HungHandler]) -> str:
    ids = " ".join(str(h.handler.record_id) for h in hung[:SHOWN])
    return f"see what the handlers wait for, or end them, which charges each record an attempt: queuectl end {ids}"
