"""Evaluates every reason for one record, or for one flow."""

from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from queue_store.errors import UnknownFlowError
from queue_store.explain.facts import Facts
from queue_store.explain.reasons import FLOW, Reason, judge_all
from queue_store.flows import read_flow_names
from queue_store.settings import ProcessorSettings
from queue_store.suggestions import closest, did_you_mean


@dataclass(frozen=True, slots=True)
class Explanation:
    """`reasons` is never empty. The first reason is the answer; the other reasons also apply."""

    subject: str
    flow_name: str
    status: str | None
    reasons: list[Reason]

    @property
    def code(self) -> str:
        return self.reasons[0].code

    @property
    def text(self) -> str:
        return self.reasons[0].text

    def as_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "flow_name": self.flow_name,
            "status": self.status,
            "code": self.code,
            "text": self.text,
            "reasons": [answer.as_json() for answer in self.reasons],
        }


def explain_record(cursor: Cursor[Any], settings: ProcessorSettings, record_id: int) -> Explanation:
    """Raises UnknownRecordError."""
    facts = Facts.at_record(cursor, settings, record_id)
    reasons = judge_all(facts, facts.record.status)
    return Explanation(f"record {record_id}", facts.flow_name, facts.record.status, reasons)


def explain_flow(cursor: Cursor[Any], settings: ProcessorSettings, flow_name: str) -> Explanation:
    """Raises UnknownFlowError if the name is not registered and no pending record has the name."""
    facts = Facts(cursor, settings, flow_name)
    waiting = facts.waiting
    if not facts.flow.is_registered and not waiting.due_count and not waiting.next_due_at:
        meant = did_you_mean(closest(flow_name, read_flow_names(cursor)))
        raise UnknownFlowError(
            f"no flow {flow_name!r} is registered and no record waits for it{meant or ':'} "
            "`queuectl status` shows the flows that are known"
        )
    return Explanation(f"flow {flow_name}", flow_name, None, judge_all(facts, FLOW))
