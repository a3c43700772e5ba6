"""Any Python object is stored as a payload and comes back as it was, or is refused before anything is written."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from queue_store import DatabaseManager, PayloadRejectedError, enqueue
from tests.support.flow_rows import register_flow

# Floats beyond 1e15 are left out: Postgres stores them as whole numbers, so they come back as integers.
FLOATS = st.floats(-1e15, 1e15) | st.sampled_from([float("nan"), float("inf"), float("-inf")])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | FLOATS
    | st.text(st.characters())
    | st.binary()
    | st.datetimes()
)
OBJECTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(), max_size=10) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.fixture
def with_letters(database: DatabaseManager) -> DatabaseManager:
    register_flow(database, "letters")
    return database


@given(payload=OBJECTS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.generate],
    database=None,
)
def test_a_payload_is_stored_as_it_is_or_refused(with_letters: DatabaseManager, payload: Any) -> None:
    with with_letters.engine.begin() as connection:
        try:
            record_id = enqueue(connection, "letters", payload).id
        except PayloadRejectedError as error:
            assert error.field.startswith("payload")  # noqa: PT017
            record_id = None
        select = "SELECT payload FROM processing_queue WHERE id = %s"
        stored = connection.exec_driver_sql(select, (record_id,)).fetchall()
    assert stored == ([] if record_id is None else [(payload,)])
