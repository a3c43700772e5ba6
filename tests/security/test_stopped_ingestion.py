"""While ingestion is stopped, the queue accepts recurring records and follow-up records of runs, but no records of
producers. A producer cannot pose as a run."""

import psycopg
import pytest

from queue_store.operators.operators import Operators
from tests.security.logins import Logins

AS_FOLLOW_UP = (
    "SELECT enqueue_or_explain('sample', '{}', 5::smallint, NULL, 0, NULL, 'raise', NULL, NULL, NULL, true)"
)


@pytest.mark.parametrize("role", ["producer", "flow_producer"])
@pytest.mark.parametrize(
    "statement", [AS_FOLLOW_UP, "INSERT INTO processing_queue (flow_name) VALUES ('sample')"]
)
def test_a_producer_does_not_pass(logins: Logins, role: str, statement: str) -> None:
    name = f"test_stopped_{role}"
    logins.store.execute("INSERT INTO producer_flows VALUES (%s, 'sample')", (name,))
    producer = logins.connect(name, role)
    Operators(logins.store.database).stop_ingestion(None, actor="Olga")
    producer.execute("SET processing_queue.follow_up = 'on'")
    with pytest.raises(psycopg.Error, match="ingestion is stopped") as refused:
        producer.execute(statement.encode())
    assert refused.value.sqlstate == "PQ001"


def test_a_worker_passes_on_what_follows(logins: Logins) -> None:
    worker = logins.connect("test_survey_worker", "worker")
    Operators(logins.store.database).stop_ingestion("sample", actor="Olga")
    worker.execute(AS_FOLLOW_UP.encode())
    assert logins.store.statuses() == {"pending": 1}
