"""Reads records from the lines of a CSV or JSONL file, and says what is wrong with invalid lines."""

import csv
import json
import os
import re
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NoReturn

from queue_store.enqueueing.new_record import NewRecord, check_record
from queue_store.enqueueing.payload_encoders import Encode, encode_payload
from queue_store.errors import PayloadRejectedError, QueueStoreError
from queue_store.plural import plural

from .payload_check import PayloadCheck

Judged = tuple[int, NewRecord, str | None]  # the line's number, the record, and the line's problem or None
NOTHING = NewRecord(None)
BUNCH_LINES = 200
REMEMBERED_PROBLEMS = 100
PROBLEMS_LOOKED_FOR = 10
LONGEST_FIELD = 1_048_576  # the highest PAYLOAD_LIMIT_BYTES
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,17})?(?:[eE][+-]?\d{1,2})?")


class InvalidLinesError(QueueStoreError):
    """The file has lines that cannot become records. `RecordFile.problems` lists the first of these lines."""


@dataclass
class RecordFile:
    """A file that is read once, line by line. The caller sets `encode` and `check` to functions for the payloads of its
    flow. Without `skip_invalid`, no record is returned after the first invalid line, and reading ends after
    PROBLEMS_LOOKED_FOR invalid lines. `is_torn`: the end of an invalid CSV record is unknown, so no later line is read,
    and the whole file is refused, even with `skip_invalid`."""

    file: BinaryIO
    file_format: str
    delimiter: str = ","
    numbers: bool = False
    dedup_by: str | None = None
    priority: int | None = None
    skip_invalid: bool = False
    encode: Encode = encode_payload
    check: PayloadCheck | None = None
    line_number: int = 0
    read_bytes: int = 0
    problem_count: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    is_torn: bool = False
    _not_utf8: tuple[int, str] | None = None  # the first such line of the CSV record that is being read
    _last_line: str = ""

    @property
    def size_bytes(self) -> int | None:
        """None for a pipe."""
        try:
            return os.fstat(self.file.fileno()).st_size or None
        except OSError:
            return None

    def records(self) -> Iterator[NewRecord]:
        """Raises InvalidLinesError."""
        for line_number, record, problem in self._judged():
            if problem is not None:
                self._problem(line_number, problem)
            elif not self._has_failed:
                yield record
        if self._has_failed:
            at_least = "at least " if self.problem_count >= PROBLEMS_LOOKED_FOR else ""
            raise InvalidLinesError(
                f"{at_least}{plural(self.problem_count, 'line')} cannot be read as records"
            )

    @property
    def _has_failed(self) -> bool:
        return bool(self.problem_count) and (self.is_torn or not self.skip_invalid)

    def _judged(self) -> Iterator[Judged]:
        """Yields each line that could be parsed, with its record or the reason why the line cannot become a record.
        With `check`, the database checks BUNCH_LINES lines at a time."""
        bunch: list[tuple[int, NewRecord, str]] = []
        for line_number, payload in (
            self._csv_payloads() if self.file_format == "csv" else self._json_payloads()
        ):
            try:
                record, encoded = self._record(payload)
            except PayloadRejectedError as error:
                yield line_number, NOTHING, str(error)
                continue
            bunch.append((line_number, record, encoded))
            if self.check is None or len(bunch) >= BUNCH_LINES:
                yield from self._checked(bunch)
                bunch = []
        yield from self._checked(bunch)

    def _checked(self, bunch: list[tuple[int, NewRecord, str]]) -> Iterator[Judged]:
        check = self.check or (lambda payloads: [None] * len(payloads))
        problems = check([encoded for _, _, encoded in bunch]) if bunch else []
        for (line_number, record, _), problem in zip(bunch, problems, strict=True):
            yield line_number, record, problem

    def _record(self, payload: Any) -> tuple[NewRecord, str]:
        """Returns the record, and its payload as JSON."""
        key = None
        if self.dedup_by is not None:
            key = payload.get(self.dedup_by) if isinstance(payload, dict) else None
            if key is None or isinstance(key, dict | list):
                raise PayloadRejectedError(
                    self.dedup_by, "is needed for the dedup_key, but the line has no usable value"
                )
        record = NewRecord(payload, priority=self.priority, dedup_key=None if key is None else str(key))
        return record, check_record(record, self.encode)["payload"]

    def _problem(self, line_number: int, problem: str) -> None:
        self.problem_count += 1
        if len(self.problems) < REMEMBERED_PROBLEMS:
            insort(self.problems, (line_number, problem))  # sorted, because `check` finds some problems late

    def _lines(self) -> Iterator[str]:
        for raw in self.file:
            if self._has_failed and self.problem_count >= PROBLEMS_LOOKED_FOR:
                return
            self.line_number += 1
            self.read_bytes += len(raw)
            encoding = "utf-8-sig" if self.line_number == 1 else "utf-8"
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError as error:
                problem = f"is not UTF-8: byte {raw[error.start]:#04x} at position {error.start + 1}"
                self._not_utf8 = self._not_utf8 or (self.line_number, problem)
                text = raw.decode(encoding, errors="replace")
            self._last_line = text
            yield text

    def _is_utf8(self) -> bool:
        """Whether the record that was just read is UTF-8. If it is not, notes the problem."""
        found, self._not_utf8 = self._not_utf8, None
        if found is not None:
            self._problem(*found)
        return found is None

    def _json_payloads(self) -> Iterator[tuple[int, Any]]:
        for text in self._lines():
            if not self._is_utf8() or not text.strip():
                continue
            try:
                yield self.line_number, _DECODER.decode(text.strip())
            except (ValueError, RecursionError) as error:
                reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
                self._problem(self.line_number, f"is not JSON: {reason}")

    def _csv_payloads(self) -> Iterator[tuple[int, Any]]:
        csv.field_size_limit(LONGEST_FIELD)
        reader = csv.reader(self._lines(), delimiter=self.delimiter, strict=True)
        header: list[str] | None = None
        while True:
            first_line = self.line_number + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._not_csv(first_line, error)
                if self.is_torn:
                    return
                continue
            is_utf8 = self._is_utf8()
            if header is None:
                header = self._header(row)
            elif row and is_utf8:
                if len(row) == len(header):
                    values = map(_number, row) if self.numbers else row
                    yield first_line, dict(zip(header, values, strict=True))
                else:
                    self._problem(first_line, f"has {len(row)} fields, but the header has {len(header)}")

    def _not_csv(self, first_line: int, error: csv.Error) -> None:
        """If the record contains no quote, it ends with its line, so the next record begins on the next line. If it
        contains a quote, the beginning of the next record is unknown, because a field in quotes can have several
        lines."""
        self._is_utf8()
        self.is_torn = self.line_number > first_line or '"' in self._last_line
        end = ". The end of this record is unknown, so no later line was read" if self.is_torn else ""
        self._problem(first_line, f"is not CSV: {error}{end}")

    def _header(self, row: list[str]) -> list[str]:
        names = [name.strip() for name in row]
        if self.problem_count or not all(names) or len(set(names)) < len(names):
            self._refuse_header()
        return names

    def _refuse_header(self) -> NoReturn:
        if not self.problem_count:
            self._problem(1, "the header needs a different name for each column")
        raise InvalidLinesError("the header cannot be used")


def _number(text: str) -> int | float | str | None:
    stripped = text.strip()
    if not stripped:
        return None
    if not _NUMBER.fullmatch(stripped):
        return text
    return float(stripped) if set(stripped) & set(".eE") else int(stripped)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError for an object that has the same key twice. JSON allows such an object, but nobody can know
    which value was meant."""
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise ValueError("a key appears twice in one object")
    return unique


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
