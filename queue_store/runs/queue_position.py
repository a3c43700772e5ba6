"""The position at which a run looks for its next batch.

A claim empties one priority level after the other, the most urgent first. The position holds a cursor for each level:
the lowest `(scheduled_at, id)` of the records that were last claimed at this level. Without the cursors, every claim
would read the index entries of all records that were claimed before. While somebody holds a snapshot, vacuum cannot
remove the entries of claimed records.

    is not set ──a claim found records──▶ is set: a claim starts at the cursors
        ▲                                    │
        └─ drop: the cursors are old, a claim found nothing, or it found an order key

Records that were committed late, retried or rescued can lie below a cursor. So the cursors are dropped every
`cursor_seconds`, and a claim that found nothing is made once more without them. If a claim without cursors takes long,
the cursors are dropped less often.

A claim has to read even the records that wait for an earlier record of their order key. After a claim that found only
records with order keys, the next claims scan from key to key (`uses_key_scan`), unless that claim was quick and found a
full batch. The key scan ends after the time that cursors are kept, or when no key has a due record.

A claim of the key scan makes at most KEY_LIMIT steps, because there may be hundreds of thousands of keys whose first
record is not due. If these steps do not reach all keys, the claim also looks at the keys of the latest two batches. So
the claim goes on with the keys that have work. The next scan of all records finds the other keys.
"""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any
from uuid import UUID

from queue_store.counts.histogram import BOUNDS_SECONDS
from queue_store.database.arrays import NumberArray, TextArray
from queue_store.records.record import Record
from queue_store.runs.sessions import run_parameters

LEVELS = tuple(range(10))
# Earlier than any `scheduled_at`: the schema allows no `scheduled_at` before the year 2000 in the time zone of the
# session that migrated.
_BEGINNING = ("1999-12-30 00:00Z", 0)
WALK_SHARE = 0.05  # the largest share of time for claims without a cursor
LONGEST_PAUSE_SECONDS = 8.0  # so that a rescued record is found within twenty seconds
SHORT_WALK_SECONDS = 0.02
KEY_LIMIT = 10_000  # about 50 ms
_BOUNDS = NumberArray(BOUNDS_SECONDS)


@dataclass(slots=True)
class QueuePosition:
    """The position of one process in the queue of one flow. `aging_claims` is a number N: every N-th claim starts at
    the level whose first claimable record has waited longest."""

    cursor_seconds: float
    aging_claims: int
    batch_size: int | None = None  # the flow's batch size, as the flow's last run read it
    _lowest: dict[int, tuple[str, int]] = field(default_factory=dict[int, tuple[str, int]])
    _dropped_at: float = 0.0
    _pause_seconds: float = 0.0
    _walk_began_at: float | None = None
    _walk_seconds: float = 0.0
    _claim_count: int = 0
    _key_scan_until: float = 0.0
    _after_key: str = ""
    _keys_of_batches: deque[set[str]] = field(default_factory=lambda: deque[set[str]](maxlen=2))

    def drop(self) -> None:
        self._lowest.clear()
        self._dropped_at = time.monotonic()

    @property
    def is_set(self) -> bool:
        return bool(self._lowest)

    @property
    def next_is_aging(self) -> bool:
        """Whether the next claim begins with the level that has waited longest, as every `aging_claims`-th claim
        does."""
        return (self._claim_count + 1) % self.aging_claims == 0

    def count_claim(self) -> None:
        self._claim_count += 1

    def parameters(self, first_level: int | None = None) -> dict[str, Any]:
        now = time.monotonic()
        if now - self._dropped_at >= max(self.cursor_seconds, self._pause_seconds):
            self.drop()
        self._walk_began_at = None if self._lowest else now
        return self.bounds(first_level)

    def bounds(self, first_level: int | None = None) -> dict[str, Any]:
        """Returns the parameters of a claim: each level with its cursor, `first_level` first."""
        levels = sorted(LEVELS, key=lambda level: (level != first_level, level))
        cursors = [self._lowest.get(level, _BEGINNING) for level in levels]
        return {
            "levels": NumberArray(levels),
            "cursor_ats": TextArray([scheduled_at for scheduled_at, _ in cursors]),
            "cursor_ids": NumberArray([record_id for _, record_id in cursors]),
        }

    @property
    def uses_key_scan(self) -> bool:
        return self._key_scan_until > time.monotonic()

    def key_scan_parameters(self, *, is_aging: bool) -> dict[str, Any]:
        return {
            "is_aging": is_aging,
            "after_key": self._after_key,
            "key_limit": KEY_LIMIT,
            "latest_keys": TextArray(set[str]().union(*self._keys_of_batches)),
        }

    def scan_keys_for(self, seconds: float) -> None:
        self._key_scan_until = time.monotonic() + seconds

    def resume_full_scan(self) -> None:
        """Go back to the scan of all records. Call this when no key had a due record."""
        self._key_scan_until = 0.0

    def advance(self, records: Sequence[Record], batch_size: int) -> None:
        """The records are ordered by level, then by `(scheduled_at, id)`. So the first record of a level has the lowest
        `(scheduled_at, id)` of that level."""
        if self.uses_key_scan:
            self._after_key = records[-1].order_key or ""
            self._note_keys(records)
            return
        if self._walk_began_at is not None:
            self._walk_seconds = time.monotonic() - self._walk_began_at
            self._pause_seconds = min(self._walk_seconds / WALK_SHARE, LONGEST_PAUSE_SECONDS)
        first: dict[int, Record] = {}
        for record in records:
            if record.order_key is not None:  # a record that waits for this one may lie below the cursor
                self._begin_key_scan(records, batch_size)
                self.drop()
                return
            first.setdefault(record.priority, record)
        self._lowest.update((level, (str(record.scheduled_at), record.id)) for level, record in first.items())

    def _begin_key_scan(self, records: Sequence[Record], batch_size: int) -> None:
        was_far = len(records) < batch_size or self._walk_seconds > SHORT_WALK_SECONDS
        if was_far and all(record.order_key is not None for record in records):
            self._note_keys(records)
            self.scan_keys_for(max(self.cursor_seconds, self._pause_seconds))

    def _note_keys(self, records: Sequence[Record]) -> None:
        self._keys_of_batches.append({record.order_key for record in records if record.order_key is not None})


def claim_parameters(flow_name: str, flow_instance_id: UUID, batch_size: int) -> dict[str, Any]:
    return {
        "flow_name": flow_name,
        **run_parameters(flow_instance_id),
        "batch_size": batch_size,
        "bounds": _BOUNDS,
    }


def read_records(
    rows: Iterable[tuple[Any, ...]],
    flow_name: str,
    flow_instance_id: UUID,
    timezone: tzinfo,
    record_class: type[Record] = Record,
) -> list[Record]:
    """`rows`: rows of records, with values that are not decoded yet."""
    owner: tuple[Any, ...] = (flow_name, flow_instance_id, timezone)
    return [record_class(*row, *owner) for row in rows]
