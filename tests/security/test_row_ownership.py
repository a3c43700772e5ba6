"""A pending record belongs to the login that enqueued it. Only that login or an operator can replace or cancel it."""

import psycopg
import pytest

from queue_store.enqueueing import enqueue
from queue_store.errors import QueueStoreError
from queue_store.queue_schema import role_name
from tests.security.logins import Logins, value

REPLACE = "SELECT enqueue_record('sample', '{\"by\": \"%s\"}', dedup_key => 'a', on_duplicate => 'replace')"


def payload(logins: Logins) -> str:
    return str(logins.store.value("SELECT payload->>'by' FROM processing_queue WHERE dedup_key = 'a'"))


@pytest.mark.parametrize("role", ["producer", "worker"])
def test_another_login_does_not_replace_its_payload(logins: Logins, role: str) -> None:
    shop, rival = logins.connect("test_shop", "producer"), logins.connect(f"test_rival_{role}", role)
    shop.execute((REPLACE % "shop").encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="belongs to another login"):
        rival.execute((REPLACE % "rival").encode())
    assert payload(logins) == "shop"
    shop.execute((REPLACE % "shop again").encode())
    assert payload(logins) == "shop again"


def test_an_operator_replaces_it(logins: Logins) -> None:
    logins.connect("test_shop", "producer").execute((REPLACE % "shop").encode())
    logins.connect("test_duty", "admin").execute((REPLACE % "operator").encode())
    assert payload(logins) == "operator"


def test_an_operator_who_works_as_a_producer_does_not(logins: Logins) -> None:
    logins.connect("test_shop", "producer").execute((REPLACE % "shop").encode())
    both = logins.connect("test_both", "admin", "producer")
    both.execute(f"SET ROLE {role_name('producer')}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        both.execute((REPLACE % "both").encode())


def test_python_says_who_may(logins: Logins) -> None:
    logins.connect("test_shop", "producer").execute((REPLACE % "shop").encode())
    rival = logins.manager("test_rival", "producer")
    with pytest.raises(QueueStoreError, match="Only the login that enqueued a record and operators"):
        with rival.engine.begin() as connection:
            enqueue(connection, "sample", {}, dedup_key="a", on_duplicate="replace")


def test_a_producer_cancels_its_own_records_and_no_others(logins: Logins) -> None:
    shop, rival = logins.connect("test_shop", "producer"), logins.connect("test_rival", "producer")
    own = [value(shop, "SELECT enqueue_record('sample')") for _ in range(3)]
    run = logins.store.run(batch_size=1)
    [running] = run.begin()
    assert rival.execute("SELECT * FROM cancel_own_records(%s)", (own,)).fetchall() == []
    done = dict(shop.execute("SELECT * FROM cancel_own_records(%s, 'sold out')", (own,)).fetchall())
    assert done == {i: "asked" if i == running.id else "cancelled" for i in own}
    assert logins.store.query("SELECT record_id, requested_by, reason FROM cancel_requests") == [
        (running.id, "test_shop", "sold out")
    ]
    counted = "SELECT sum(cancelled) FROM rollup_deltas"
    assert logins.store.value(counted) == 2


@pytest.mark.parametrize("chosen", ["NULL", "'anything'"])
def test_an_unknown_choice_for_duplicates_is_refused_at_once(logins: Logins, chosen: str) -> None:
    """With NULL as `on_duplicate`, an older version of `enqueue_or_explain` looped until the statement timeout, and
    used up an id in each iteration."""
    shop = logins.connect("test_shop", "producer")
    shop.execute((REPLACE % "shop").encode())
    shop.execute("SET statement_timeout = '20s'")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="raise, skip or replace"):
        shop.execute(
            "SELECT enqueue_or_explain('sample', '{}', 5::smallint, NULL, 0, 'a', "
            f"{chosen}, NULL, NULL, NULL, false)".encode()
        )
