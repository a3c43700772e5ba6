"""The kind of an error is one line without white space at its ends. So anyone can copy the text of a kind into a
search, and find the kind's records."""

from typing import Any

import pytest

from tests.support.flow_runs import Worker

MESSAGES = {
    'duplicate key value violates "orders_pkey"\nDETAIL:  Key (id)=(17) already exists.\n':
        'ValueError: duplicate key value violates "orders_pkey" DETAIL: Key (id)=(#) already exists.',
    "  indented\t\tand\u00a0spaced  ": "ValueError: indented and spaced",
    "\n": "ValueError:",
    "x" * 287 + " cut after the space": "ValueError: " + "x" * 287,
    "\n" * 200 + "x" * 280: "ValueError: " + "x" * 280,
}  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_several_lines_is_stored_under_a_kind_of_one_line(message: str, worker: Worker) -> None:
    def fail(payload: Any) -> None:
        raise ValueError(message)

    [row] = worker.process(fail, [1], name="fail", max_retries=0)
    [attempt] = worker.query("SELECT error_group, error_message FROM record_attempts")
    assert attempt.error_group == MESSAGES[message]
    assert attempt.error_message == row.error_message == message


def test_messages_that_differ_in_line_breaks_only_are_one_kind(worker: Worker) -> None:
    def fail(payload: str) -> None:
        raise ValueError(payload)

    worker.process(fail, ["no such\n  order", "no such order\n", "no such order"], name="fail", max_retries=0)
    groups = worker.query("SELECT error_group, count(*) FROM record_attempts GROUP BY 1")
    assert [tuple(row) for row in groups] == [("ValueError: no such order", 3)]
