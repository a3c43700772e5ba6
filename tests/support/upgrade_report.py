"""Reports on an upgrade under load: the rates and waits of each stage, and what happened to the records."""

import math
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from tests.support.acknowledged import PAUSE_SECONDS, SLOW_SECONDS, Producer
from tests.support.lock_prober import Waits, waits
from tests.support.next_releases import FLOW_NAME

LOCK_MS = 100.0
SHARE = 0.5
WINDOW_SECONDS = 1.0
ENDS = """SELECT extract(epoch FROM completed_at)::float8 FROM processing_queue
    WHERE flow_name = %s AND status = 'completed'"""
JUDGED = """
SELECT count(*) FILTER (WHERE coalesce(e.count, 0) = 0), count(*) FILTER (WHERE e.count > 1),
    count(*) FILTER (WHERE q.status IS DISTINCT FROM 'completed'), coalesce(sum(q.retry_count), 0)
FROM unnest(%s::bigint[]) AS told (id) LEFT JOIN processing_queue q USING (id)
    LEFT JOIN (SELECT record_id AS id, count(*) FROM effects GROUP BY 1) e USING (id)
"""
NONE = Waits(0.0, 0.0)
BY_BUILD = "SELECT build, count(*) FROM effects GROUP BY 1 ORDER BY 1"
REPORT = """# Two releases side by side under load

Two producers enqueue five records a transaction, with a pause of {pause} ms, into a queue with {rows:,} other
rows, {finished:,} of them finished. A worker with two processes runs a one-COMMIT flow. Release n+1 adds two columns,
a table and an index to the schema (expand), and its flow reads a new column. Release n+2 removes the column that only
release n read (contract). A third producer keeps each of its transactions open for {slow} ms, so that some
session holds a lock of the table almost all the time.
See [docs/upgrading.md](../upgrading.md).

{made_by}

| stage | seconds | records/s, median | slowest second | longest wait for the lock | lock free after at most |
| --- | ---: | ---: | ---: | ---: | ---: |
{stages}

| | | bound |
| --- | ---: | ---: |
| records acknowledged | {verdict.acknowledged:,} | |
| of them without their effect | {verdict.lost:,} | 0 |
| of them with more than one effect | {verdict.doubled:,} | 0 |
| of them not completed | {verdict.unfinished:,} | 0 |
| attempts charged | {verdict.charged:,} | 0 |
| effects of releases {builds} | {effects} | |
| slowest second, in shares of the median of the first stage | {slowest:.0%} | {share:.0%} |
| longest wait for the lock | {lock:.0f} ms | {lock_bound:.0f} ms |
| lock free again after at most, in stages that migrate | {bound:.0f} ms | {lock_bound:.0f} ms |

The lock is the one that each INSERT and UPDATE takes. A session on the server takes it every other millisecond, and
lets it go. "Longest wait" is the longest time that this session waited. "Free after at most" is the longest time
between two moments at which it had the lock: no conflicting lock was held for longer. Both include the time for which
the session waits for the processor.
"""


@dataclass(frozen=True)
class Verdict:
    acknowledged: int
    lost: int
    doubled: int
    unfinished: int
    charged: int
    by_build: dict[str, int]


@dataclass
class Stage:
    name: str
    began: float
    migrates: bool = False
    ended: float = math.inf
    rates: list[float] = field(default_factory=list)
    waits: Waits = NONE

    @property
    def median(self) -> float:
        return statistics.median(self.rates)

    def row(self) -> str:
        return (
            f"| {self.name} | {self.ended - self.began:.0f} | {self.median:,.0f} | {min(self.rates):,.0f} "
            f"| {self.waits.longest_ms:.1f} ms | {self.waits.bound_ms:.1f} ms |"
        )


class Stages:
    """The stages in their order, without gaps between them."""

    def __init__(self) -> None:
        self.all: list[Stage] = []

    @contextmanager
    def stage(self, name: str, seconds: float, *, migrates: bool = False) -> Iterator[None]:
        """The stage ends `seconds` seconds after the end of its block."""
        began = self.all[-1].ended if self.all else time.time()
        self.all.append(Stage(name, began, migrates))
        yield
        time.sleep(seconds)
        self.all[-1].ended = time.time()

    def measure(self, url: str) -> None:
        with psycopg.connect(url) as connection:
            ends = [row[0] for row in connection.execute(ENDS, [FLOW_NAME])]
        for stage in self.all:
            windows = max(1, int((stage.ended - stage.began) / WINDOW_SECONDS))
            counts = [0] * windows
            for end in ends:
                if 0 <= (window := int((end - stage.began) // WINDOW_SECONDS)) < windows:
                    counts[window] += 1
            stage.rates = [count / WINDOW_SECONDS for count in counts]
            stage.waits = waits(url, stage.began, stage.ended)

    @property
    def slowest_share(self) -> float:
        return min(min(stage.rates) for stage in self.all[1:]) / self.all[0].median

    @property
    def longest_wait_ms(self) -> float:
        return max(stage.waits.longest_ms for stage in self.all[1:])

    @property
    def lock_bound_ms(self) -> float:
        return max(stage.waits.bound_ms for stage in self.all if stage.migrates)


def judged(url: str, producers: list[Producer]) -> Verdict:
    ids = [record_id for producer in producers for record_id in producer.ids.values()]
    with psycopg.connect(url) as connection:
        row = connection.execute(JUDGED, [ids]).fetchone()
        by_build = dict(connection.execute(BY_BUILD).fetchall())
    assert row is not None
    return Verdict(len(ids), *map(int, row), by_build)


def report(stages: Stages, verdict: Verdict, rows: int, finished: int, made_by: str) -> str:
    return REPORT.format(
        rows=rows, finished=finished, made_by=made_by, verdict=verdict,
        pause=f"{1000 * PAUSE_SECONDS:.0f}", slow=f"{1000 * SLOW_SECONDS:.0f}",
        stages="\n".join(stage.row() for stage in stages.all),
        builds=" and ".join(verdict.by_build), effects=" and ".join(f"{n:,}" for n in verdict.by_build.values()),
        slowest=stages.slowest_share, share=SHARE, lock=stages.longest_wait_ms, lock_bound=LOCK_MS,
        bound=stages.lock_bound_ms,
    )  # fmt: skip
