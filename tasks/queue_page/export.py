"""Writes a file with the records that a search finds. In a CSV file, text from records is written so that no
spreadsheet reads it as a formula."""

import csv
import io
from dataclasses import asdict, fields, replace
from datetime import datetime

import orjson

from queue_store.readings.record_candidates import (
    RECORDS_AT_MOST as ATTEMPTS_LOOKED_AT,
    RUNS_AT_MOST,
    ids_within,
)
from queue_store.readings.records import RecordRow, find_records

from .arguments import Arguments, BadInputError
from .database import reading
from .record_search import filter_of

RECORDS_AT_MOST = 10_000
PAGE_RECORDS = 1_000
LOOKS_AT_MOST = 100


def export(arguments: Arguments, form: str) -> bytes:
    """Raises BadInputError if there are more records than a file may hold, or if the search cannot find them all. A
    file with only some of the records would look complete."""
    records = _collect(arguments)
    if form == "json":
        return orjson.dumps(records, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z)
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(RecordRow)])
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in asdict(r).items()} for r in records)
    return text.getvalue().encode()


def _collect(arguments: Arguments) -> list[RecordRow]:
    wanted = filter_of(arguments)
    records: list[RecordRow] = []
    with reading(replica=True) as cursor:
        ids_of_dates = ids_within(cursor, wanted.created_from, wanted.created_before)
        wanted = replace(wanted, ids_of_dates=ids_of_dates)
        for _ in range(LOOKS_AT_MOST):
            page = find_records(cursor, wanted, PAGE_RECORDS)
            if page.is_capped:
                raise BadInputError(
                    f"only the newest {RUNS_AT_MOST} runs and {ATTEMPTS_LOOKED_AT} attempts were looked at, and there "
                    "are more: search for one run, for one flow, or for a text in the error, or read the records by SQL"
                )
            records += page.records
            if len(records) > RECORDS_AT_MOST:
                raise BadInputError(
                    f"more records match than the {RECORDS_AT_MOST} that an export can hold: narrow the search by dates"
                )
            if page.next_before_id is None:
                return records
            wanted = replace(wanted, before_id=page.next_before_id, known_ids=tuple(page.known_ids))
    raise BadInputError(
        f"only the newest records were looked at, of which {len(records)} match: narrow the search by dates"
    )


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value.isoformat() if isinstance(value, datetime) else value
