"""The test servers keep their data in memory, or on disk if too little memory is free."""

from pathlib import Path

import pytest

from tests.support import servers


def test_a_directory_with_enough_space_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "MEMORY", tmp_path)
    monkeypatch.setattr(servers, "MEMORY_BYTES", 1)
    assert servers.directory_in_memory() == tmp_path


def test_too_little_space_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "MEMORY", tmp_path)
    monkeypatch.setattr(servers, "MEMORY_BYTES", 1024**6)
    assert servers.directory_in_memory() is None


def test_a_system_without_this_directory_uses_its_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "MEMORY", tmp_path / "missing")
    assert servers.directory_in_memory() is None
    with servers.reachable_directory(servers.directory_in_memory()) as directory:
        assert directory.is_dir()
