"""The health check answers even if the size of the database cannot be read in time, for example because the database
has very many files."""

from collections.abc import Callable

import pytest

from queue_store.readings import server
from tasks.health import database_health_check

SLOW = b"SELECT pg_sleep(60)"
REFUSED = b"SELECT pg_read_file('no such file')"
ENDED = b"SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
def size_by(clean_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Returns a function that replaces the statement that reads the size."""
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setattr(server, "SIZE_SECONDS", 0.1)
    read: Callable[[str], bytes] = server.sql

    def use(statement: bytes) -> None:
        monkeypatch.setattr(
            server, "sql", lambda name: statement if name == "readings/database_bytes" else read(name)
        )

    return use


@pytest.mark.parametrize("statement", [SLOW, REFUSED])
def test_the_size_is_unknown(size_by: Callable[[bytes], None], statement: bytes) -> None:
    size_by(statement)
    health = database_health_check()
    assert (health["status"], health["error"]) == ("healthy", None)
    assert health["database_bytes"] is None
    assert health["server_up_seconds"] >= 0


def test_a_session_that_ends_is_a_failure(size_by: Callable[[bytes], None]) -> None:
    size_by(ENDED)
    assert database_health_check()["status"] == "unhealthy"


def test_the_size_is_known_otherwise(size_by: Callable[[bytes], None]) -> None:
    size_by(b"SELECT 17")
    assert database_health_check()["database_bytes"] == 17
