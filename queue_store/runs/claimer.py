"""How a run claims. QueuePosition defines the position and the key scan. An aging claim begins with the priority whose
oldest record has waited longest. A claim sends these statements, in this order, until one of them finds records:

- Claim suspects: in a run's first claim (if the flow has suspects), in an aging claim, and after a claim of suspects.
  Before such a claim, the run finishes the batch that it is working on.
- Claim from the position, one priority after the other. During a key scan, claim the next record of each order key.
- If that was a key scan, end it, and claim from the position without a key scan.
- Claim without the position, because records that were committed late may lie below the position.
- Claim suspects if the claim did not begin with them, unless the run knows that the flow has none.
"""

from typing import Any
from uuid import UUID

from psycopg import AsyncCursor, Cursor
from psycopg.types.numeric import Int8BinaryLoader
from psycopg.types.string import ByteaBinaryLoader

from queue_store.database.statements import sql
from queue_store.records.record import Record
from queue_store.runs.options import RunOptions
from queue_store.runs.queue_position import QueuePosition, claim_parameters, read_records

# A run makes at most this many claims of suspects in a row. If a run dies with several records, and it is unknown which
# of them was in flight, all of them become suspects. Suspects are claimed in small batches, so even SUSPECT_CLAIMS
# claims take little time.
SUSPECT_CLAIMS = 10


class Claimer:
    """Makes the claims of one run, in the caller's transaction. Call `position.advance` after the COMMIT of that
    transaction."""

    def __init__(self, options: RunOptions, flow_instance_id: UUID, position: QueuePosition) -> None:
        self.options = options
        self.flow_instance_id = flow_instance_id
        self.position = position
        self.suspect_claims = 0  # in a row

    @property
    def claimed_suspects(self) -> bool:
        """Whether the last claim found suspects, which are claimed in small batches."""
        return self.suspect_claims > 0

    @property
    def next_is_for_suspects(self) -> bool:
        """Whether the next claim looks for suspects first. In a flow that is never empty, suspects would otherwise wait
        endlessly."""
        return self.position.next_is_aging or 0 < self.suspect_claims < SUSPECT_CLAIMS

    def claim(
        self,
        cursor: Cursor[Any],
        batch_size: int,
        *,
        has_suspects: bool | None = None,
        prefetch: bool = False,
        was_sent: bool = False,
    ) -> list[Record]:
        """`has_suspects`: True: look for suspects first. False: look for no suspects. None: look for suspects first if
        it is their turn, and otherwise only if nothing else is found. `prefetch`: the run is still working on its
        current batch, so the claim takes no suspects, and ends after a key scan that finds nothing. If it is the
        suspects' turn and a suspect is due, such a claim takes nothing. So the run finishes its batch, and then claims
        the suspect. `was_sent`: the caller has already sent the claim that starts at the run's position, and this claim
        found nothing."""
        if prefetch and self.next_is_for_suspects and self._has_due_suspect(cursor):
            return []
        may_have_suspects = has_suspects is not False and not prefetch
        looks_first = may_have_suspects and (has_suspects or self.next_is_for_suspects)
        records = self._claim_suspects(cursor, batch_size) if looks_first else []
        records = records or self._search(cursor, batch_size, prefetch=prefetch, was_sent=was_sent)
        if not records and may_have_suspects and not looks_first:
            records = self._claim_suspects(cursor, batch_size)
        self.position.count_claim()
        return records

    def send(self, cursor: Cursor[Any], batch_size: int, *, is_aging: bool = False) -> None:
        """Send the claim from the position, and no other claim. The caller, which may be in a pipeline, then reads the
        result with `read`."""
        parameters = self._parameters(batch_size)
        if self.position.uses_key_scan:
            self._execute(
                cursor,
                "arrows/claim_next_of_each_key",
                parameters | self.position.key_scan_parameters(is_aging=is_aging),
            )
            return
        first_level = self.oldest_waiting_level(cursor) if is_aging else None
        self._execute(cursor, "arrows/claim", parameters | self.position.parameters(first_level))

    def sent_alone(self, *, found: bool) -> None:
        """Call this after a claim that was made with `send` alone. If this claim found nothing and was no key scan, the
        next claim searches from the beginning of the queue, not from the position."""
        self.suspect_claims = 0
        if found:
            self.position.count_claim()
        elif not self.position.uses_key_scan:
            self.position.drop()

    def read(self, cursor: Cursor[Any]) -> list[Record]:
        options, timezone = self.options, cursor.connection.info.timezone
        return read_records(
            cursor.fetchall(), options.flow_name, self.flow_instance_id, timezone, options.record_class
        )

    def oldest_waiting_level(self, cursor: Cursor[Any]) -> int | None:
        """The level (priority) whose first claimable record has waited longest; None if no record is due."""
        parameters = {"flow_name": self.options.flow_name} | self.position.bounds()
        row = cursor.execute(sql("runs/oldest_waiting_level"), parameters).fetchone()
        return row[0] if row else None

    def _search(
        self, cursor: Cursor[Any], batch_size: int, *, prefetch: bool, was_sent: bool
    ) -> list[Record]:
        records: list[Record] = []
        self.suspect_claims = 0
        if not was_sent:
            self.send(cursor, batch_size, is_aging=self.position.next_is_aging)
            records = self.read(cursor)
        if not records and not prefetch and self.position.uses_key_scan:
            self.position.resume_full_scan()
            self.send(cursor, batch_size)
            records = self.read(cursor)
        if not records and self.position.is_set:
            self.position.drop()
            self.send(cursor, batch_size)
            records = self.read(cursor)
        return records

    def _has_due_suspect(self, cursor: Cursor[Any]) -> bool:
        parameters = {"flow_name": self.options.flow_name}
        return cursor.execute(sql("runs/due_suspect"), parameters).fetchone() is not None

    def _claim_suspects(self, cursor: Cursor[Any], batch_size: int) -> list[Record]:
        self._execute(cursor, "arrows/claim_suspects", self._parameters(batch_size))
        records = self.read(cursor)
        self.suspect_claims = self.suspect_claims + 1 if records else 0
        return records

    def _execute(self, cursor: Cursor[Any], statement: str, parameters: dict[str, Any]) -> None:
        decode_later(cursor)
        cursor.execute(sql(statement), parameters)

    def _parameters(self, batch_size: int) -> dict[str, Any]:
        return claim_parameters(self.options.flow_name, self.flow_instance_id, batch_size)


def decode_later(cursor: Cursor[Any] | AsyncCursor[Any]) -> None:
    """Let the cursor return jsonb and instants undecoded, because `Record` decodes them on demand."""
    cursor.adapters.register_loader("jsonb", ByteaBinaryLoader)
    cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
