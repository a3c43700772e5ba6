"""Error messages contain no secret and no terminal control sequence, and their length is limited."""

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
        f"https://hooks.slack.com/services/T0AAAAAAA/B0BBBBBBB/{SECRET} answered 404",
        f"https://discord.com/api/webhooks/123456789/{SECRET}",
        f"https://example.webhook.office.com/webhookb2/a@b/IncomingWebhook/{SECRET}/c",
        f"https://chat.example/hooks/{SECRET}",
        f"https://account.blob.core.windows.net/c/f?sv=2022&sig={SECRET}&se=2030",
        f"https://bucket.s3.amazonaws.com/f?X-Amz-Signature={SECRET}",
        f"Cookie: session={SECRET}; user=eve",
        f"Set-Cookie: id={SECRET}; HttpOnly",
        f"DB_PASS={SECRET}",
        f"FLOWER_BASIC_AUTH=eve:{SECRET}",
        f"AccountKey={SECRET};EndpointSuffix=core.windows.net",
        "x" * (READ_LIMIT - 30) + f" postgresql://worker:{SECRET}@db/rpa_db",
        "x" * (READ_LIMIT - 30) + f"://worker:{SECRET}@db/rpa_db",
        f"{'':{READ_LIMIT - 30}}postgresql://worker:{SECRET}@db/rpa_db",
    ],
)
def test_a_secret_is_hidden(text: str) -> None:
    assert SECRET not in redact(text, 1_000_000)
    assert SECRET[:12] not in redact(text, 1_000_000)


@pytest.mark.parametrize(
    "token",
    [
        "glpat-abcdefghij0123456789", "github_pat_11ABCDEFG0abcdefghij_xyz", "sk_live_abcdefghij0123456789",
        "rk_test_abcdefghij0123456789", "whsec_abcdefghij0123456789", "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "ya29.a0AfH6SMBabcdefghijklmnop", "GOCSPX-abcdefghij0123456789abcd", "SG.abcdefghijklmnopq.abcdefghijklmnop",
        "hf_abcdefghijklmnopqrstuvwxyz", "npm_abcdefghijklmnopqrstuvwxyz0123456789", "pypi-AgEIcHlwaS5vcmcCJGE0MTI",
        "dop_v1_abcdefghijklmnopqrstuvwxyz012345", "shpat_abcdefghij0123456789ab", "hvs.abcdefghij0123456789abcd",
        "xapp-1-A0123456789", "ASIAABCDEFGHIJKLMNOP", "dapi0123456789abcdef0123456789abcdef",
        "123456789:AAabcdefghijklmnopqrstuvwxyz0123456",
    ],
)  # fmt: skip
def test_a_token_of_a_known_service_is_hidden_wherever_it_stands(token: str) -> None:
    assert token not in redact(f"could not log in with {token}, try again")


@pytest.mark.parametrize(
    "text",
    [
        "passed 3 of 4 tests",
        "the compass: north",
        "https://example.org/services answered 503",
        "POST https://example.org/hooks/ answered 404",
        "exit code=1",
        "key=id is missing",
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


@pytest.mark.parametrize("length", [0, 1, READ_LIMIT - 1, READ_LIMIT, READ_LIMIT + 1, 2 * READ_LIMIT])
@pytest.mark.parametrize("part", [" ", "\n", "\u2003", "x", "\x00", "\ud800", "\x1b", "é", " x", "x "])
def test_every_text_is_shown(part: str, length: int) -> None:
    shown = redact(part * length, 100)
    assert len(shown) <= 100
    assert shown == shown.encode().decode()
    assert "\x00" not in shown
    if part not in ("\x00", "\x1b"):
        assert len(shown) == min(len(part) * length, 100)


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
