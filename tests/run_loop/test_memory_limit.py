"""A worker process knows how much memory it may use."""

from pathlib import Path

import psutil
import pytest

from tasks.worker.memory_limit import memory_limit_bytes

MACHINE = psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("1048576\n", 1_048_576), ("max\n", MACHINE), ("9223372036854771712", MACHINE), (None, MACHINE)],
)
def test_the_containers_limit_counts_where_there_is_one(
    tmp_path: Path, limit: str | None, expected: int
) -> None:
    file = tmp_path / "memory.max"
    if limit is not None:
        file.write_text(limit)
    assert memory_limit_bytes((file,)) == expected
