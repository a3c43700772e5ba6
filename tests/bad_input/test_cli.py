"""A wrong word on the command line, or a broken file, leads to one message and to exit code 64 or 1. Nothing is
enqueued."""

from pathlib import Path

import pytest

from queue_store import DatabaseManager
from tests.cli.test_cli import QueueCtl

WORDS = [
    *(
        "nothing",
        "--nothing",
        "status --nothing",
        "show",
        "show x",
        "show 1e9",
        "show -- -1",
        "show 99999999999999999999",
    ),
    *("pause", "pause nobody", "reset --flow nobody --yes", "cancel x --yes", "tune letters --batch-size 0"),
    *("tune letters --batch-size 10001", "tune letters --max-runs -1", "tune letters --batch-size 1e3"),
    *(
        "enqueue",
        "enqueue --flow letters",
        "enqueue --flow letters /nowhere",
        "enqueue --flow nobody -",
        "restore /nowhere --yes",
    ),
    *("maintenance --cleanup-orphaned-records --orphaned-timeout-hours -1", "maintenance --max-retries x"),
]
FILES: dict[str, bytes] = {
    "no JSON": b"{\n",
    "half a line": b'{"a": 1}\n{"a":',
    "not UTF-8": b'{"a": "\xff\xfe"}\n',
    "NUL": b'{"a": "\\u0000"}\n',
    "a NUL byte": b'{"a": "\x00"}\n',
    "a lone surrogate": b'{"a": "\\ud800"}\n',
    "NaN": b'{"a": NaN}\n',
    "infinity": b'{"a": Infinity}\n',
    "1e400": b'{"a": 1e400}\n',
    "65 bits": b'{"a": 18446744073709551616}\n',
    "deep": b"[" * 5_000 + b"]" * 5_000 + b"\n",
    "oversize": b'{"a": "' + b"x" * 70_000 + b'"}\n',
    "duplicate keys": b'{"a": 1, "a": 2}\n',
    "binary": bytes(range(256)),
}


@pytest.fixture
def queuectl(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> QueueCtl:
    from tests.support.flow_rows import register_flow

    register_flow(database, "letters")
    return QueueCtl(database, monkeypatch)


@pytest.mark.parametrize("words", WORDS)
def test_wrong_words_are_refused(queuectl: QueueCtl, words: str) -> None:
    from click.testing import CliRunner

    from tasks.cli import main

    result = CliRunner().invoke(main, words.split())
    assert result.exit_code in (1, 64), (words, result.output)
    assert isinstance(result.exception, SystemExit), (words, result.output)
    assert "Traceback" not in result.output
    assert queuectl.statuses == []


@pytest.mark.parametrize("case", FILES)
def test_a_broken_file_enqueues_nothing(queuectl: QueueCtl, tmp_path: Path, case: str) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(FILES[case])
    result = queuectl("enqueue", "--flow", "letters", path, exit_code=1)
    assert len(result.output) < 2_000
    assert "\x1b" not in result.output
    assert queuectl.statuses == []


NOT_UTF8 = "St\udcf6rung"  # how Python reads an argument that is encoded in Latin-1


@pytest.mark.parametrize(
    "words",
    [
        ["stop", "--all", "--yes", "--reason", NOT_UTF8],
        ["pause", "letters", "--yes", "--actor", NOT_UTF8],
        ["reset", "--flow", "letters", "--error", NOT_UTF8, "--yes"],
        ["cancel", "--flow", "letters", "--key", NOT_UTF8, "--yes"],
        ["show", NOT_UTF8],
        ["enqueue", "--flow", NOT_UTF8, "-"],
    ],
    ids=lambda words: words[0],
)
def test_text_that_is_not_utf8_is_refused(queuectl: QueueCtl, words: list[str]) -> None:
    queuectl(*words, exit_code=64)
    assert queuectl.query("SELECT 1 FROM queue_control WHERE processing_stopped_at IS NOT NULL") == []


def test_an_actor_that_is_not_utf8_is_refused(queuectl: QueueCtl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUEUECTL_ACTOR", NOT_UTF8)
    result = queuectl("pause", "letters", exit_code=64)
    assert r"'St\udcf6rung' is not UTF-8" in result.output
    assert queuectl.query("SELECT 1 FROM flows WHERE paused_at IS NOT NULL") == []
