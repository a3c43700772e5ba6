"""`queuectl enqueue` reads CSV and JSONL, and names each wrong line by its number. Without --skip-invalid, it enqueues
all lines or none."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from queue_store import DatabaseManager
from tests.cli.test_cli import QueueCtl
from tests.support.flow_rows import register_flow
from tests.workers.processes import wait_until

OPEN_TRANSACTIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'queuectl enqueue' AND datname = current_database() AND state = 'idle in transaction'
"""


@pytest.fixture
def queuectl(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> QueueCtl:
    register_flow(database, "survey")
    return QueueCtl(database, monkeypatch)


def payloads(queuectl: QueueCtl) -> list[Any]:
    return [row[0] for row in queuectl.query("SELECT payload FROM processing_queue ORDER BY id")]


def write(directory: Path, name: str, content: str | bytes) -> Path:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_csv_file_becomes_records(queuectl: QueueCtl, tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", '\ufeffid,name,note\n1,Anna,"two\nlines"\n\n2,"B ""x""",\n')
    assert "2 records enqueued for survey" in queuectl("enqueue", path, "--flow", "survey").stdout
    assert payloads(queuectl) == [
        {"id": "1", "name": "Anna", "note": "two\nlines"},
        {"id": "2", "name": 'B "x"', "note": ""},
    ]


def test_numbers_become_numbers_when_asked_for(queuectl: QueueCtl, tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "a;b;c;d;e;f\n1;-2.5;007;;1e3;99999999999999999999\n")
    queuectl("enqueue", path, "--flow", "survey", "--numbers", "--delimiter", ";")
    assert payloads(queuectl) == [
        {"a": 1, "b": -2.5, "c": "007", "d": None, "e": 1000.0, "f": "99999999999999999999"}
    ]


def test_a_jsonl_file_becomes_records(queuectl: QueueCtl, tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"n": 1}\n\n{"n": [1, {"m": null}]}\n')
    assert queuectl.json("enqueue", path, "--flow", "survey", "--priority", 1)["enqueued"] == 2
    assert payloads(queuectl) == [{"n": 1}, {"n": [1, {"m": None}]}]
    assert queuectl.query("SELECT DISTINCT priority FROM processing_queue") == [(1,)]


def test_standard_input_is_read_where_the_file_is_a_dash(queuectl: QueueCtl) -> None:
    queuectl("enqueue", "-", "--flow", "survey", "--format", "jsonl", stdin='{"n": 1}')
    assert payloads(queuectl) == [{"n": 1}]


BROKEN_LINES: dict[str, tuple[str, bytes, int, str]] = {
    "a field too many": ("csv", b"a,b\n1,2\n1,2,3\n", 3, "has 3 fields, but the header has 2"),
    "a field too few": ("csv", b"a,b\n1\n", 2, "has 1 fields"),
    "a quote never closed": ("csv", b'a,b\n1,2\n"1,2\n', 3, "is not CSV: unexpected end of data"),
    "a quote in the middle": ("csv", b'a,b\n"1"x,2\n', 2, "is not CSV"),
    "after two lines in one field": ("csv", b'a,b\n"1\n1",2\n3\n', 4, "has 1 fields"),
    "latin-1 in CSV": (
        "csv",
        "a,b\n1,2\nM\xfcller,2\n".encode("latin-1"),
        3,
        "is not UTF-8: byte 0xfc at position 2",
    ),
    "NUL in CSV": ("csv", b"a,b\n1,\x00\n", 2, "payload.b: text must not contain NUL"),
    "two columns of a name": ("csv", b"a,a\n1,2\n", 1, "a different name for each column"),
    "a column without a name": ("csv", b"a,\n1,2\n", 1, "a different name for each column"),
    "no JSON": ("jsonl", b'{"a": 1}\n{"a": \n', 2, "is not JSON"),
    "two objects": ("jsonl", b'{"a": 1} {"a": 2}\n', 1, "is not JSON: Extra data"),
    "NaN": ("jsonl", b'{"a": NaN}\n', 1, "NaN is not a JSON number"),
    "1e400": ("jsonl", b'{"a": 1e400}\n', 1, "inf is not a JSON number"),
    "beyond 64 bits": ("jsonl", b'{"a": 123456789012345678901234567890}\n', 1, "beyond 64 bits"),
    "a key twice": ("jsonl", b'{"a": 1, "a": 2}\n', 1, "a key appears twice"),
    "NUL in JSON": ("jsonl", rb'{"a": "\u0000"}' + b"\n", 1, "NUL"),
    "a lone surrogate": ("jsonl", rb'{"a": "\ud800"}' + b"\n", 1, "surrogate"),
    "nested too deeply": ("jsonl", b"[" * 5_000 + b"]" * 5_000 + b"\n", 1, "nested"),
    "oversize": ("jsonl", b'{"a": "' + b"x" * 70_000 + b'"}\n', 1, "the limit is 65536"),
    "UTF-16": ("jsonl", '{"a": 1}\n'.encode("utf-16"), 1, "is not UTF-8"),
}


@pytest.mark.parametrize("case", BROKEN_LINES.values(), ids=list(BROKEN_LINES))
def test_a_wrong_line_is_named_and_nothing_is_enqueued(
    queuectl: QueueCtl, tmp_path: Path, case: tuple[str, bytes, int, str]
) -> None:
    suffix, content, line_number, problem = case
    path = write(tmp_path, f"a.{suffix}", content)
    stderr = queuectl("enqueue", path, "--flow", "survey", exit_code=1).stderr
    (line,) = [line for line in stderr.splitlines() if line.startswith(f"line {line_number}:")]
    assert problem in line
    assert "Nothing was enqueued" in stderr
    assert payloads(queuectl) == []


def test_nothing_is_enqueued_when_a_late_line_is_wrong(queuectl: QueueCtl, tmp_path: Path) -> None:
    lines = [json.dumps({"n": n}) for n in range(10_000)]
    path = write(tmp_path, "a.jsonl", "\n".join([*lines, "oops", "{}", "oops"]))
    stderr = queuectl("enqueue", path, "--flow", "survey", exit_code=1).stderr
    assert "line 10001:" in stderr
    assert "line 10003:" in stderr
    assert payloads(queuectl) == []


def test_skip_invalid_goes_on_and_reports(queuectl: QueueCtl, tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", b'{"n": 1}\noops\n\xff\n{"n": 2}\n')
    result = queuectl("enqueue", path, "--flow", "survey", "--skip-invalid")
    assert "2 records enqueued for survey. 2 lines skipped." in result.stdout
    assert "line 2: is not JSON" in result.stderr
    assert "line 3: is not UTF-8" in result.stderr
    assert payloads(queuectl) == [{"n": 1}, {"n": 2}]


SKIPPED: dict[str, tuple[bytes, str, list[int]]] = {
    "the first line of a record": (b'n,note\n1,"M\xfcller\n2,second"\n3,c\n', "line 2: is not UTF-8", [3]),
    "a later line of a record": (
        b'n,note\n1,"first\nM\xfcller"\n2,b\n3,"x"\n',
        "line 3: is not UTF-8",
        [2, 3],
    ),
    "a line between two lines": (b'n,note\n1,"first\nM\xfcller\nthird"\n2,b\n', "line 3: is not UTF-8", [2]),
    "a long field without a quote": (
        b"n,note\n1," + b"x" * 1_100_000 + b"\n2,b\n",
        "line 2: is not CSV",
        [2],
    ),
}


@pytest.mark.parametrize("case", SKIPPED.values(), ids=list(SKIPPED))
def test_skip_invalid_skips_a_whole_csv_record(
    queuectl: QueueCtl, tmp_path: Path, case: tuple[bytes, str, list[int]]
) -> None:
    content, problem, enqueued = case
    path = write(tmp_path, "a.csv", content)
    result = queuectl("enqueue", path, "--flow", "survey", "--numbers", "--skip-invalid")
    assert problem in result.output
    assert "1 line skipped" in result.stdout
    assert [payload["n"] for payload in payloads(queuectl)] == enqueued


UNKNOWN_ENDS = {
    "a quote in the middle": b'n,note\n1,"1"x\n2,"1"\n',
    "an open quote after an even number of quotes": b'n,note,more,last\n1,a"b,"c"x,"d\n2,e,f,g\n",h,i,j\n',
    "a quote never closed": b'n,note\n1,"a\n2,b\n3,c\n',
    "an error, and then an open quote": b'n,note\n1,"a"x,"b\n2,c\n"\n3,d\n',
    "an error after an open quote": b'n,note\n1,"a\n2"x\n3,c\n',
    "a field above the limit": b'n,note\n1,"' + b"x" * 1_100_000 + b'\n7,y\n"\n2,b\n',
}


@pytest.mark.parametrize("content", UNKNOWN_ENDS.values(), ids=list(UNKNOWN_ENDS))
def test_a_csv_record_whose_end_is_unknown_is_never_skipped(
    queuectl: QueueCtl, tmp_path: Path, content: bytes
) -> None:
    """If the command skipped such a record, it could enqueue a part of that record as a record of its own."""
    path = write(tmp_path, "a.csv", content)
    result = queuectl("enqueue", path, "--flow", "survey", "--skip-invalid", exit_code=1)
    assert "The end of this record is unknown, so no later line was read" in result.output
    assert "Correct the lines." in result.output
    assert payloads(queuectl) == []


def test_a_long_csv_field_that_the_payload_limit_allows_is_enqueued(
    queuectl: QueueCtl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_store.enqueueing.payload_encoders.payload_limit_bytes", lambda: 1_048_576)
    path = write(tmp_path, "a.csv", b"n\n" + b"x" * 200_000 + b"\n")
    assert queuectl.json("enqueue", path, "--flow", "survey", "--dry-run")["valid"] == 1


def test_a_field_can_be_the_dedup_key(queuectl: QueueCtl, tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "order,n\nA,1\nB,2\nA,3\n")
    arguments = ("enqueue", path, "--flow", "survey", "--dedup-by", "order")
    assert "A" in queuectl(*arguments, exit_code=1).stderr
    assert payloads(queuectl) == []
    assert queuectl.json(*arguments, "--on-duplicate", "skip")["duplicates"] == 1
    assert payloads(queuectl) == [{"order": "A", "n": "1"}, {"order": "B", "n": "2"}]
    missing = write(tmp_path, "b.csv", "n\n1\n")
    assert (
        "needed for the dedup_key"
        in queuectl("enqueue", missing, "--flow", "survey", "--dedup-by", "order", exit_code=1).stderr
    )


def test_a_dry_run_reads_all_and_enqueues_nothing(queuectl: QueueCtl, tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "n\n1\n2\n")
    assert "2 records could be enqueued" in queuectl("enqueue", path, "--flow", "survey", "--dry-run").stdout
    assert payloads(queuectl) == []


def test_an_unknown_flow_is_refused_before_the_file_is_read(queuectl: QueueCtl, tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "n\n1\n")
    assert "did you mean survey?" in queuectl("enqueue", path, "--flow", "survy", exit_code=1).stderr


def test_an_empty_file_enqueues_nothing(queuectl: QueueCtl, tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl"):
        path = write(tmp_path, name, "")
        assert "0 records enqueued" in queuectl("enqueue", path, "--flow", "survey").stdout


def test_ctrl_c_takes_everything_back(queuectl: QueueCtl) -> None:
    """The command is interrupted in the middle of its transaction, while it waits for more input from a pipe."""
    program = "from tasks.cli import main; main()"
    arguments = ["enqueue", "-", "--flow", "survey", "--format", "jsonl"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ},
    )  # fmt: skip
    assert process.stdin
    process.stdin.write('{"n": 1}\n' * 5_000)
    process.stdin.flush()
    wait_until(lambda: queuectl.query(OPEN_TRANSACTIONS) == [(1,)], "the transaction", timeout_seconds=60)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stderr == "Interrupted. Uncommitted changes are rolled back.\n"
    assert payloads(queuectl) == []
