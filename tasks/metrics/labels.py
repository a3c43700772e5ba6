"""Chooses the flows that have a label of their own: the busiest ones. All other flows share one label, so that sums
stay correct."""

from collections.abc import Mapping, Sequence

from queue_store.readings.counters import Counters
from queue_store.readings.flow_counts import FlowCounts, add_up

FLOWS_AT_MOST = 200
OTHERS = "other_flows"


class FlowLabels:
    """Remembers the counters of each label. A counter must not shrink when a flow gets or loses a label of its
    own."""

    def __init__(self) -> None:
        self._before: dict[str, Counters] = {}
        self._own: dict[str, Counters] = {}
        self._others = Counters()

    @property
    def named(self) -> list[str]:
        return sorted(self._own)

    def update(self, flows: Sequence[FlowCounts], counters: Mapping[str, Counters]) -> dict[str, Counters]:
        """Returns the counters by label, including counters of 0. Prometheus sees an increase from 0 to 1 only if it
        has read the 0."""
        self._name(flows, counters)
        empty = Counters()
        for name, counter in counters.items():
            before = self._before.get(name, empty)
            if counter == before:
                continue
            if name in self._own:
                self._own[name] = self._own[name].plus(counter.minus(before))
            else:
                self._others = self._others.plus(counter.minus(before))
        self._before = dict(counters)
        labelled = {name: self._own[name] for name in self.named}
        if len(flows) > len(self._own) or self._others != empty:
            labelled[OTHERS] = self._others
        return labelled

    def split(self, flows: Sequence[FlowCounts]) -> list[FlowCounts]:
        """Returns the counts of each flow that has a label of its own, and the sum of all other flows."""
        own = [flow for flow in flows if flow.flow_name in self._own]
        others = [flow for flow in flows if flow.flow_name not in self._own]
        return [*own, add_up(others, OTHERS)] if others else own

    def _name(self, flows: Sequence[FlowCounts], counters: Mapping[str, Counters]) -> None:
        """Choose the flows that get a label of their own. A flow keeps its label until another flow is twice as
        busy, or until the flow itself is gone."""

        def rank(flow: FlowCounts) -> tuple[int, str]:
            counter = counters.get(flow.flow_name)
            busy = flow.pending + flow.processing + flow.failed + (sum(counter.counts) if counter else 0)
            return -busy * (2 if flow.flow_name in self._own else 1), flow.flow_name

        chosen = flows if len(flows) <= FLOWS_AT_MOST else sorted(flows, key=rank)[:FLOWS_AT_MOST]
        self._own = {flow.flow_name: self._own.get(flow.flow_name, Counters()) for flow in chosen}
