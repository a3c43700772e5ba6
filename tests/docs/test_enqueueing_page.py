"""The examples of docs/enqueueing.md do what the page says, and leave out no option."""

from typing import Any

import pytest
import redis

from queue_store import DatabaseManager
from queue_store.enqueueing import OnDuplicate, RecordOptions, __all__ as functions
from tests.support.documents import code_blocks
from tests.support.flow_rows import register_flow

PAGE = "docs/enqueueing.md"
CODE = "\n".join(block.code for block in code_blocks(PAGE, "python"))
WHERE_OTHERS_ARE = {"Enqueued", "EnqueuedMany", "OnDuplicate", "RecordOptions"}


@pytest.fixture
def names(
    database: DatabaseManager,
    clean_database_url: str,
    redis_url: str,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> dict[str, Any]:
    """The names that the blocks define. The blocks are run one after the other."""
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    register_flow(database, "send_invoice")
    register_flow(database, "tell_customer")
    names: dict[str, Any] = {"__name__": "enqueueing_page", "broker_url": redis_url}
    for block in code_blocks(PAGE, "python"):
        exec(compile(block.code, str(block), "exec"), names)  # noqa: S102  (our own documentation)
    names["database"].dispose()
    assert redis_client.llen("celery") == 1
    assert "still on its way" in capsys.readouterr().out
    return names


def row(database: DatabaseManager, record_id: int) -> dict[str, Any]:
    with database.transaction() as cursor:
        cursor.execute("SELECT to_jsonb(q) FROM processing_queue q WHERE id = %s", (record_id,))
        found = cursor.fetchone()
    assert found is not None
    return found[0]


def test_the_blocks_do_what_they_say(names: dict[str, Any], database: DatabaseManager) -> None:
    assert row(database, names["urgent"].id)["priority"] == 0
    assert row(database, names["in_an_hour"].id)["priority"] == 1
    assert row(database, names["on_a_day"].id)["status"] == "cancelled"
    assert row(database, names["first"].id)["payload"] == {"copies": 3}
    assert row(database, names["told"].id)["correlation_id"] == "request 4711"
    assert row(database, names["keyed"].ids[0])["priority"] == 2
    with database.transaction() as cursor:
        cursor.execute(
            "SELECT payload->>'step' FROM processing_queue WHERE order_key IS NOT NULL ORDER BY id"
        )
        assert [step for (step,) in cursor.fetchall()] == ["created", "changed", "paid"]


@pytest.mark.parametrize("option", RecordOptions.__annotations__)
def test_every_option_is_shown(option: str) -> None:
    assert f"{option}=" in CODE


@pytest.mark.parametrize("choice", OnDuplicate.__args__)  # type: ignore[attr-defined]
def test_every_choice_for_duplicates_is_shown(choice: str) -> None:
    assert f'"{choice}"' in CODE


@pytest.mark.parametrize("function", sorted(set(functions) - WHERE_OTHERS_ARE))
def test_every_function_is_shown(function: str) -> None:
    assert f"{function}(" in CODE
