"""Compares the producers' acknowledgements with the records that are there after a promotion under load."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from tasks.embedded.postgres import EmbeddedPostgres
from tests.support.acknowledged import Producer
from tests.support.servers import connect
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
EFFECTS = b"CREATE TABLE effects (record_id bigint NOT NULL, claim_number integer NOT NULL)"


@dataclass(frozen=True)
class Outcome:
    """Counts of records that were enqueued and processed while another server took over. `lost_although_received`:
    lost records that the new server already had when it stopped receiving. `reused_ids`: ids that were acknowledged
    for a lost record and that belong to another record now."""

    acknowledged: int
    lost: int
    lost_although_received: int
    reused_ids: int
    not_acknowledged_and_there: int
    claimed_again: int


@dataclass(frozen=True)
class Promotion:
    name: str
    outcome: Outcome
    acknowledged_while_stalled: int
    seconds_to_promote: float
    first_seconds: float
    made_by: str

    def figures(self) -> dict[str, str]:
        return {
            "records acknowledged": f"{self.outcome.acknowledged:,}",
            "of them while the link was stalled": f"{self.acknowledged_while_stalled:,}",
            "of them lost": f"{self.outcome.lost:,}",
            "of them lost although the standby had received them": f"{self.outcome.lost_although_received:,}",
            "ids of lost records that other records have now": f"{self.outcome.reused_ids:,}",
            "records there without an acknowledgement": f"{self.outcome.not_acknowledged_and_there:,}",
            "records there twice, transactions there in part": "0",
            "one-COMMIT effects missing or doubled": "0",
            "attempts charged": "0",
            "records claimed again": f"{self.outcome.claimed_again:,}",
            "from the end of the primary to the end of pg_promote": f"{self.seconds_to_promote:.1f} s",
            "from there to the first record completed": f"{self.first_seconds:.1f} s",
        }


def judged(queue: Queue, producers: Iterable[Producer], received: Iterable[str] = ()) -> Outcome:
    """Asserts what must always hold, and counts what a promotion may cause. `received`: the keys of the records that
    the standby had received before the link stalled."""
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
    return Outcome(
        acknowledged=len(acknowledged),
        lost=len(lost),
        lost_although_received=len(lost & set(received)),
        reused_ids=len({acknowledged[key] for key in lost} & set(there.values())),
        not_acknowledged_and_there=len(there.keys() - acknowledged.keys()),
        claimed_again=sum(claim_number > 1 for _, _, claim_number, _ in rows),
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


@contextmanager
def queue_of(server: EmbeddedPostgres) -> Iterator[Queue]:
    database = connect(server.url())
    yield Queue(database)
    database.dispose()
