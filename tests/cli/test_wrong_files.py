"""A file that is wrong from the first line to the last is not read to its end."""

import io

import pytest

from tasks.cli.record_file import PROBLEMS_LOOKED_FOR, InvalidLinesError, RecordFile


@pytest.mark.parametrize(
    ("file_format", "line"),
    [
        ("jsonl", b"{'single': 'quotes'}\n"),
        ("jsonl", b"\xff\n"),
        ("jsonl", b'{"a": 1e999}\n'),
        ("csv", b"\xff,\n"),
    ],
)
def test_reading_ends_after_a_few_wrong_lines(file_format: str, line: bytes) -> None:
    file = RecordFile(io.BytesIO(b"a,b\n" * (file_format == "csv") + line * 10_000), file_format)
    with pytest.raises(InvalidLinesError, match="at least 10 lines cannot be read"):
        list(file.records())
    assert file.line_number <= PROBLEMS_LOOKED_FOR + 1
