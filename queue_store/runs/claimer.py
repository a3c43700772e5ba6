"""What a run asks of the queue when it claims, and in which order, until it finds something."""

from typing import Any
from uuid import UUID

from psycopg import Cursor
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from queue_store.database.statements import sql
from queue_store.records.record import Record
from queue_store.runs.options import RunOptions
from queue_store.runs.queue_position import QueuePosition, claim_parameters, read_records


class Claiming:
    """The part of a run that claims, in the caller's transaction."""

    options: RunOptions
    flow_instance_id: UUID
    cursor: QueuePosition
    batch_size: int
    claimed_suspects: bool

    def _claim(
        self,
        cursor: Cursor[Any],
        *,
        aging: bool | None = None,
        is_first: bool = False,
        ahead: bool = False,
    ) -> list[Record]:
        aging = self.cursor.is_aging_claim() if aging is None else aging
        # Else suspects would wait for ever in a flow that is never empty.
        if (is_first or aging) and not ahead and (suspects := self._claim_suspects(cursor)):
            return suspects
        self.claimed_suspects = False
        self._send_claim(cursor, aging=aging)
        records = self._read_claim(cursor)
        if not records and not ahead and self.cursor.uses_key_scan:
            self.cursor.walk()
            self._send_claim(cursor)
            records = self._read_claim(cursor)
        if not records and self.cursor.is_set:
            self.cursor.drop()
            self._send_claim(cursor)
            records = self._read_claim(cursor)
        return records if records or ahead else self._claim_suspects(cursor)

    def _send_claim(self, cursor: Cursor[Any], *, aging: bool = False) -> None:
        parameters = self._claim_parameters()
        if self.cursor.uses_key_scan:
            self._send(
                cursor,
                "arrows/claim_next_of_each_key",
                parameters | self.cursor.heads_parameters(is_aging=aging),
            )
            return
        first_level = self._oldest_waiting_level(cursor) if aging else None
        self._send(cursor, "arrows/claim", parameters | self.cursor.parameters(first_level))

    def _read_claim(self, cursor: Cursor[Any]) -> list[Record]:
        return read_records(cursor.fetchall(), self.options.flow_name, self.flow_instance_id)

    def _claim_suspects(self, cursor: Cursor[Any]) -> list[Record]:
        self._send(cursor, "arrows/claim_suspects", self._claim_parameters())
        records = self._read_claim(cursor)
        self.claimed_suspects = bool(records)
        return records

    def _send(self, cursor: Cursor[Any], statement: str, parameters: dict[str, Any]) -> None:
        cursor.adapters.register_loader("jsonb", _EncodedJson)
        cursor.execute(sql(statement), parameters)

    def _claim_parameters(self) -> dict[str, Any]:
        return claim_parameters(
            self.options.flow_name,
            self.flow_instance_id,
            self.batch_size,
            failure_blocks_key=self.options.failure_blocks_key,
        )

    def _oldest_waiting_level(self, cursor: Cursor[Any]) -> int | None:
        parameters = {
            "flow_name": self.options.flow_name,
            "failure_blocks_key": self.options.failure_blocks_key,
        }
        row = cursor.execute(sql("runs/oldest_waiting_level"), parameters | self.cursor.bounds()).fetchone()
        return row[0] if row else None


class _EncodedJson(Loader):
    """Leaves jsonb as it came: each record decodes its own payload, so that a bad one fails alone."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)[1:]  # one byte of format version comes first
