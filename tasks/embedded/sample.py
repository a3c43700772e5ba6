"""The sample survey: its records, the status in which each should end, and the status in which each ended."""

import csv
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from queue_store.database.manager import DatabaseManager
from queue_store.distributed_processor import DistributedProcessor
from queue_store.enqueueing.hints import CeleryHintSender
from queue_store.readings.sample import read_seconds_of_work, read_statuses

from ..app import app

FLOW_NAME = "survey_processor"
EXPECTED_STATUS_OF_FILE = {"anes96.csv": "completed", "broken_responses.csv": "failed"}
FINISHED = ("completed", "failed", "cancelled")


@dataclass
class Sample:
    """The records of one enqueued sample, each with the status that it should end in."""

    expected: dict[int, str]
    began_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None
    statuses: dict[int, str] = field(default_factory=dict[int, str])

    @classmethod
    def enqueued(cls, database: DatabaseManager) -> "Sample":
        """Enqueue both files: the survey, and the answers that are wrong on purpose."""
        processor = DistributedProcessor(database, hint_sender=CeleryHintSender(app))
        expected: dict[int, str] = {}
        for file_name, status in EXPECTED_STATUS_OF_FILE.items():
            enqueued = processor.enqueue_many(FLOW_NAME, read_answers(file_name), with_ids=True)
            expected |= dict.fromkeys(enqueued.ids or [], status)
        return cls(expected)

    def look(self, database: DatabaseManager) -> Counter[str]:
        with database.transaction() as cursor:
            self.statuses = read_statuses(cursor, list(self.expected))
        if self.is_over and self.ended_at is None:
            self.ended_at = time.monotonic()
        return Counter(self.statuses.values())

    @property
    def size(self) -> int:
        return len(self.expected)

    @property
    def finished_count(self) -> int:
        return sum(status in FINISHED for status in self.statuses.values())

    @property
    def is_over(self) -> bool:
        return self.finished_count == self.size

    @property
    def seconds(self) -> float:
        return (self.ended_at or time.monotonic()) - self.began_at

    def completed_per_second(self, database: DatabaseManager) -> float:
        """The number of completed records per second, from the first claim to the last completion."""
        completed = [record_id for record_id, status in self.statuses.items() if status == "completed"]
        with database.transaction() as cursor:
            seconds = read_seconds_of_work(cursor, completed)
        return len(completed) / seconds if seconds else 0.0

    @property
    def failed_on_purpose_count(self) -> int:
        return sum(self.statuses.get(i) == status == "failed" for i, status in self.expected.items())

    @property
    def surprises(self) -> list[str]:
        """A sentence for each record that did not end as it should."""
        return [
            f"record {record_id} is {self.statuses.get(record_id, 'gone')}, but should be {status}"
            for record_id, status in self.expected.items()
            if self.statuses.get(record_id) != status
        ]


def read_answers(file_name: str) -> Iterator[dict[str, Any]]:
    """Yields one dictionary for each respondent. An answer that consists of digits becomes an int, and an empty
    answer becomes None."""
    with files("processing_queue.flows").joinpath("data", file_name).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield {question: _answer(text) for question, text in row.items()}


def _answer(text: str) -> int | str | None:
    return int(text) if text.isdecimal() else text or None
