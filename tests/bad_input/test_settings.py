"""All wrong settings are named at once, one per line, and no secret is shown."""

from contextlib import suppress

import pytest
from hypothesis import given, settings as checked, strategies as st

from queue_store.errors import SettingsError
from queue_store.settings import load_database_settings, load_processor_settings

PREFIX = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_"
WRONG = {
    "BATCH_SIZE": ["0", "-1", "10001", "1.5", "ten", "NaN", "1e3", "9" * 400, "\u0661x"],
    "MAX_RETRIES": ["-1", "1001", "three"],
    "LEASE_SECONDS": ["0", "-10", "inf", "nan", "10s"],
    "HEARTBEAT_SECONDS": ["0", "61", "''"],
    "PAYLOAD_LIMIT_BYTES": ["255", "1048577", "64kB"],
    "TIMEZONE": ["Mars/Olympus", "../../etc/passwd", "Europe"],
    "SHOW_PAYLOADS": ["maybe", "2", "on\x1b[31m"],
    "LOG_FORMAT": ["xml", "JSON"],
    "MAX_CRASH_STRIKES": ["0", "none"],
    "BATCH_SIZES": ["100"],
}
URLS = [
    "mysql://root:s3cret-canary@db/x",
    "s3cret-canary",
    "postgresql://u:s3cret-canary@host:port/db",
]


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_a_wrong_setting_is_named(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_processor_settings({PREFIX + name: text})
    assert [problem for problem in caught.value.problems if PREFIX + name in problem]
    assert all(
        "\n" not in problem and "\x1b" not in problem and len(problem) < 400
        for problem in caught.value.problems
    )


def test_all_wrong_settings_are_named_together() -> None:
    wrong = {PREFIX + name: texts[0] for name, texts in WRONG.items()}
    with pytest.raises(SettingsError) as caught:
        load_processor_settings(wrong)
    assert all(any(name in problem for problem in caught.value.problems) for name in wrong)


@pytest.mark.parametrize("url", URLS)
def test_a_wrong_database_url_is_refused_and_not_told(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_database_settings(environ={"DATABASE_URL": url})
    assert "canary" not in str(caught.value)


@given(
    name=st.sampled_from(sorted(WRONG)), text=st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
)
@checked(max_examples=300, deadline=None)
def test_any_text_is_a_setting_or_refused(name: str, text: str) -> None:
    with suppress(SettingsError):  # no other error is allowed
        load_processor_settings({PREFIX + name: text})
