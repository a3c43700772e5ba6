"""The allowed names of schemas, and the names that are derived from them."""

import pytest

from queue_store.database.roles import ROLES
from queue_store.errors import SettingsError
from queue_store.queue_schema import (
    broker_key,
    celery_queue_name,
    in_queue_schema,
    queue_schema,
    role_name,
)
from queue_store.settings import load_processor_settings
from tests.support.schemas import VARIABLE, in_schema

LONGEST = "a" * 32


@pytest.mark.parametrize("name", ["a", "_a", "user", "billing_2", LONGEST])
def test_plain_names_are_taken(name: str) -> None:
    with in_schema(name):
        assert queue_schema() == name
    assert load_processor_settings({VARIABLE: name}).schema == name


@pytest.mark.parametrize(
    "name",
    ["A", "2a", "a-b", "a.b", 'a"b', "a b", "ä", LONGEST + "a", "pg_temp", "information_schema", "a;--"],
)
def test_others_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{VARIABLE} must") as refused:
        load_processor_settings({VARIABLE: name})
    with in_schema(name), pytest.raises(SettingsError) as refused_again:
        queue_schema()
    assert refused_again.value.problems == refused.value.problems


def test_in_public_no_name_changes() -> None:
    with in_schema("public"):
        assert role_name("worker") == "processing_queue_worker"
        assert celery_queue_name("flows") == "flows"
        assert broker_key("hint") == "processing_queue:hint"
        assert in_queue_schema(b"SELECT 'public', public.x") == b"SELECT 'public', public.x"


def test_elsewhere_every_name_says_the_schema() -> None:
    with in_schema("billing"):
        assert role_name("worker") == "billing_processing_queue_worker"
        assert celery_queue_name("flows") == "billing.flows"
        assert broker_key("hint") == "processing_queue:billing:hint"


def test_a_statement_names_the_schema_as_an_identifier_and_as_text() -> None:
    statement = b"SELECT 'public', 'public.x'::regclass, 'processing_queue_worker' FROM public.x -- PUBLIC"
    with in_schema("user"):
        assert in_queue_schema(statement) == (
            b"SELECT 'user', '\"user\".x'::regclass, 'user_processing_queue_worker' FROM \"user\".x -- PUBLIC"
        )


def test_no_role_has_a_longer_name_than_postgres_keeps() -> None:
    with in_schema(LONGEST):
        assert max(len(role_name(role)) for role in ROLES) <= 63
