"""What a promotion under load did to records, judged by what producers were told."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tests.support.acknowledged import Producer
from tests.workers.conftest import Queue

REPORT = """# A standby is promoted under load

Two producers enqueue five records a transaction, through a URL that names both servers. A worker with two processes
runs a one-COMMIT flow on them. The link to the standby stalls, so that the standby receives nothing more. After that
the primary is ended at once (SIGQUIT), and the standby is promoted. The workers are not restarted.
See [docs/high-availability.md](../high-availability.md).

{made_by}

| | {names} |
| --- | {lines} |
{rows}
"""


@dataclass(frozen=True)
class Promotion:
    """`lost_although_replicated`: of the records that the standby had received when the link stalled. `reused_ids`:
    ids that were acknowledged for a lost record and belong to another one now."""

    name: str
    acknowledged: int
    acknowledged_while_stalled: int
    lost: int
    lost_although_replicated: int
    reused_ids: int
    not_acknowledged_and_there: int
    claimed_again: int
    seconds_to_promote: float
    first_seconds: float
    made_by: str

    def figures(self) -> dict[str, str]:
        return {
            "records acknowledged": f"{self.acknowledged:,}",
            "of them while the link was stalled": f"{self.acknowledged_while_stalled:,}",
            "of them lost": f"{self.lost:,}",
            "of them lost although the standby had received them": f"{self.lost_although_replicated:,}",
            "ids of lost records that other records have now": f"{self.reused_ids:,}",
            "records there without an acknowledgement": f"{self.not_acknowledged_and_there:,}",
            "records there twice, transactions there in part": "0",
            "one-COMMIT effects missing or doubled": "0",
            "attempts charged": "0",
            "records claimed again": f"{self.claimed_again:,}",
            "from the end of the primary to the end of pg_promote": f"{self.seconds_to_promote:.1f} s",
            "from there to the first record completed": f"{self.first_seconds:.1f} s",
        }


def judged(queue: Queue, producers: Iterable[Producer], received: Iterable[str], **figures: Any) -> Promotion:
    """What holds for every promotion, asserted; the rest, counted. `received`: the keys that the standby had."""
    rows = queue.rows("SELECT correlation_id, id, claim_number, retry_count FROM processing_queue")
    there = {key: record_id for key, record_id, _, _ in rows}
    acknowledged: dict[str, int] = {}
    for producer in producers:
        acknowledged |= producer.ids
    tried = list(chain.from_iterable(producer.tried for producer in producers))
    assert len(there) == len(rows), "a record is there twice"
    assert not [keys for keys in tried if 0 < sum(key in there for key in keys) < len(keys)], "there in part"
    assert not {
        key: there[key] for key in acknowledged.keys() & there.keys() if there[key] != acknowledged[key]
    }
    assert sum(retry_count for *_, retry_count in rows) == 0, "an attempt was charged"
    effects = Counter(queue.rows("SELECT record_id, claim_number FROM effects"))
    assert effects == Counter((record_id, claim_number) for _, record_id, claim_number, _ in rows)
    lost = acknowledged.keys() - there.keys()
    return Promotion(
        acknowledged=len(acknowledged),
        lost=len(lost),
        lost_although_replicated=len(lost & set(received)),
        reused_ids=len({acknowledged[key] for key in lost} & set(there.values())),
        not_acknowledged_and_there=len(there.keys() - acknowledged.keys()),
        claimed_again=sum(claim_number > 1 for _, _, claim_number, _ in rows),
        **figures,
    )


def report(promotions: list[Promotion]) -> str:
    labels = list(promotions[0].figures())
    return REPORT.format(
        made_by=promotions[0].made_by,
        names=" | ".join(promotion.name for promotion in promotions),
        lines=" | ".join("---" for _ in promotions),
        rows="\n".join(
            f"| {label} | {' | '.join(promotion.figures()[label] for promotion in promotions)} |"
            for label in labels
        ),
    )
