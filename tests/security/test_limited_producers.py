"""A producer can be limited to named flows, whichever way it enqueues."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.security.logins import Logins, value

WAYS = {
    "insert": "INSERT INTO processing_queue (flow_name) VALUES ('{flow}')",
    "insert many": "INSERT INTO processing_queue (flow_name) SELECT unnest(ARRAY['allowed', '{flow}'])",
    "function": "SELECT enqueue_record('{flow}')",
    "explaining": "SELECT enqueue_or_explain('{flow}', '{{}}', 5::smallint, NULL, 0, NULL, 'skip', NULL, NULL, NULL,"
    " false)",
    "with a task id": "SELECT enqueue_with_task_id('{flow}', '{{}}', NULL, NULL, NULL, NULL, NULL, 'id of {flow}')",
}


@pytest.fixture
def limited(logins: Logins) -> Iterator[psycopg.Connection]:
    logins.store.add_flow("allowed")
    logins.store.execute("INSERT INTO producer_flows VALUES ('test_limited', 'allowed')")
    return logins.connect("test_limited", "flow_producer")  # type: ignore[return-value]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_it_enqueues_its_own_flows_and_no_others(
    logins: Logins, limited: psycopg.Connection, way: str
) -> None:
    limited.execute(way.format(flow="allowed").encode())
    before = logins.store.statuses()
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege, match="may not enqueue records of the flow 'sample'"
    ):
        limited.execute(way.format(flow="sample").encode())
    assert logins.store.statuses() == before


def test_copy_is_held_to_it_too(logins: Logins, limited: psycopg.Connection) -> None:
    for flow, is_refused in (("allowed", False), ("sample", True)):
        with limited.cursor() as cursor:
            try:
                with cursor.copy("COPY processing_queue (flow_name) FROM STDIN") as copy:
                    copy.write_row((flow,))
            except psycopg.errors.InsufficientPrivilege:
                assert is_refused
            else:
                assert not is_refused
    assert logins.store.query("SELECT flow_name FROM processing_queue") == [("allowed",)]


def test_without_a_flow_of_its_own_it_enqueues_nothing(logins: Logins) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        logins.connect("test_limited_to_none", "flow_producer").execute("SELECT enqueue_record('sample')")


def test_it_sees_the_names_of_its_own_flows(logins: Logins, limited: psycopg.Connection) -> None:
    assert limited.execute("SELECT flow_name FROM known_flows()").fetchall() == [("allowed",)]
    shop = logins.connect("test_shop", "producer")
    assert value(shop, "SELECT count(*) FROM known_flows()") == 2


def test_it_cannot_add_a_flow_to_its_own(limited: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        limited.execute("INSERT INTO producer_flows VALUES ('test_limited', 'sample')")


def test_one_that_may_enqueue_everything_is_not_limited(logins: Logins) -> None:
    both = logins.connect("test_both_producers", "producer", "flow_producer")
    assert value(both, "SELECT enqueue_record('sample')") is not None
