"""No secret, terminal control or endless text gets out through an error message."""

import time

import pytest

from queue_store.redaction import READ_LIMIT, redact

SECRET = "hunter2-canary-7f3a9c"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://worker:{SECRET}@db.example:5432/rpa_db is down",
        f"redis://:{SECRET}@cache/0",
        f"postgresql://worker:p@{SECRET}/x@db/rpa_db",
        f"https://{SECRET}@git.example/project",
        f"Authorization: Bearer {SECRET}",
        f"authorization: basic {SECRET}",
        f"host=db password={SECRET} user=worker",
        f"DB_PASSWORD='{SECRET}'",
        f'{{"password": "{SECRET}", "user": "worker"}}',
        f"{{'api_key': '{SECRET}'}}",
        f"https://example.org/?api_key={SECRET}&page=2",
        f'{{"access_token": "{SECRET}"}}',
        f"token={SECRET}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
        f"eyJhbGciOiJIUzI1NiJ9.{SECRET.replace('-', '_')}.{SECRET}",
        "x" * (READ_LIMIT - 30) + f" postgresql://worker:{SECRET}@db/rpa_db",
    ],
)
def test_a_secret_is_hidden(text: str) -> None:
    assert SECRET not in redact(text, 1_000_000)
    assert SECRET[:12] not in redact(text, 1_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'respondent_id'",
        "http://127.0.0.1:8080/health answered 503",
        "Unexpected token: } at line 3",
        'Traceback (most recent call last):\n\tFile "a.py", line 1\nValueError: 12 ≠ 13 — Käse',
        "write to the author at author@example.org",
    ],
)
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "ab"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("left\u202etfel", "lefttfel"),
        ("\x9b31mx\r", "31mx"),
        ("lone \ud800 half", "lone ? half"),
        ("line\n\ttab", "line\n\ttab"),
    ],
)
def test_nothing_reaches_a_terminal_or_postgres_that_it_would_choke_on(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize("limit", [0, 1, 5, 6, 100])
def test_a_long_text_keeps_its_beginning_and_its_end(limit: int) -> None:
    shown = redact("first " + "x" * 5_000 + " last", limit)
    assert len(shown) == limit
    assert limit < 100 or (shown.startswith("first ") and shown.endswith(" last"))


@pytest.mark.parametrize(
    "part", ["://a:", "password=", "-----BEGIN PRIVATE KEY", "eyJaaaaaaaaa.", "\x1b]", "bearer ", "a@"]
)
def test_a_hostile_text_costs_no_time(part: str) -> None:
    started = time.process_time()
    redact(part * (1_000_000 // len(part)))
    assert time.process_time() - started < 2
