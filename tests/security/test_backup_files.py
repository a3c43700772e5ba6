"""Only the owner of a backup can read it. A backup that fails leaves no file. A damaged or foreign backup is refused
with a message, and nothing is changed."""

import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from queue_store.operators.backup import TABLES, write_backup
from tasks.cli import main
from tests.support.store import Store


@pytest.fixture
def backup(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    store.enqueue(50)
    url = store.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", url)
    before = os.umask(0o022)
    write_backup(store.database, tmp_path / "queue.zip")
    yield tmp_path / "queue.zip"
    os.umask(before)


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_unfinished_file_is_removed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def fail(*_: Any) -> None:
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr("queue_store.operators.backup.copy_out", fail)
        with pytest.raises(type(failure)):
            write_backup(store.database, tmp_path / "queue.zip")
    write_backup(store.database, tmp_path / "queue.zip")


def test_nobody_else_may_read_it(backup: Path) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def changed(backup: Path, change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> None:
    with zipfile.ZipFile(backup) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    change(manifest, files)
    files["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(backup, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def overwrite(backup: Path, content: bytes) -> None:
    backup.write_bytes(content)


def cut(backup: Path) -> None:
    backup.write_bytes(backup.read_bytes()[:-200])


def flip_a_bit(backup: Path) -> None:
    content = bytearray(backup.read_bytes())
    content[200] ^= 1
    backup.write_bytes(content)


DAMAGED: dict[str, Callable[[Path], None]] = {
    "empty": lambda b: overwrite(b, b""),
    "no zip": lambda b: overwrite(b, b"no zip at all"),
    "cut": cut,
    "a bit is flipped": flip_a_bit,
    "another zip": lambda b: changed(b, lambda m, f: m.clear()),
    "a table is empty": lambda b: changed(b, lambda m, f: f.update({"flows.copy": b""})),
    "rows are missing": lambda b: changed(
        b, lambda m, f: f.update({"processing_queue.copy": f["processing_queue.copy"][:-30]})
    ),
    "a table too many": lambda b: changed(b, lambda m, f: m["row_counts"].update(users=1)),
    "counts of text": lambda b: changed(b, lambda m, f: m["row_counts"].update(flows="many")),
    "columns of numbers": lambda b: changed(b, lambda m, f: m["columns"].update(flows=[1])),
    "no date": lambda b: changed(b, lambda m, f: m.update(made_at="yesterday")),
    "a manifest of a list": lambda b: changed(b, lambda m, f: m.update(row_counts=[])),
    "another schema": lambda b: changed(b, lambda m, f: m.update(schema_version="0001")),
}
# The check of the file does not find these faults: the database refuses the rows during the restore.
FOREIGN: dict[str, Callable[[Path], None]] = {
    "a column that there is not": lambda b: changed(b, lambda m, f: m["columns"]["flows"].append("x")),
    "rows that are none": lambda b: changed(
        b, lambda m, f: f.update({"flows.copy": b"x\n" * f["flows.copy"].count(b"\n")})
    ),
    "a state that there is not": lambda b: changed(
        b,
        lambda m, f: f.update(
            {"processing_queue.copy": f["processing_queue.copy"].replace(b"pending", b"perhaps")}
        ),
    ),
}


@pytest.mark.parametrize("damage", [*DAMAGED, *FOREIGN])
def test_a_damaged_or_foreign_file_is_refused_in_a_sentence(store: Store, backup: Path, damage: str) -> None:
    (DAMAGED | FOREIGN)[damage](backup)
    dry_runs = [["--replace", "--dry-run"]] if damage in DAMAGED else []
    for options in (*dry_runs, ["--replace", "--yes"]):
        result = CliRunner().invoke(main, ["restore", str(backup), *options])
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit), result.exception
        assert "backup" in result.output or "Nothing was changed" in result.output
    assert store.statuses() == {"pending": 50}


def test_a_dry_run_approves_of_what_can_be_restored(store: Store, backup: Path) -> None:
    result = CliRunner().invoke(main, ["restore", str(backup), "--replace", "--dry-run"])
    assert "50 records" in result.output
    assert result.exit_code == 0
    assert len(TABLES) > 20
