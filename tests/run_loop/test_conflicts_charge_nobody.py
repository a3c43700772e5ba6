"""If statements in a one-COMMIT slice meet a conflict, the slice is done again. The statements may be our own or a
handler's, and the handler may be sync or async."""

import asyncio
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from tasks import FlowContext
from tests.support.flow_runs import Worker, running_worker
from tests.support.pgbouncer import direct_only
from tests.support.servers import connect

CONFLICT = "DO $$ BEGIN RAISE EXCEPTION 'another transaction was first' USING ERRCODE = '40001'; END $$"
SAME_KEY = "INSERT INTO processing_queue (flow_name, payload, dedup_key) VALUES ('waited_for', '{}', 'same')"


@direct_only  # the URL sets the timeout
@pytest.mark.parametrize("is_async", [False, True])
def test_a_follow_up_that_waits_too_long_for_a_lock(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    separator = "&" if "?" in clean_database_url else "?"
    url = f"{clean_database_url}{separator}options=-c%20lock_timeout%3D200ms"
    tries: list[int] = []

    rivals = connect(clean_database_url)
    with running_worker(url, monkeypatch) as worker, rivals.hold() as held:

        def follow(context: FlowContext) -> None:
            tries.append(context.record_id)
            if len(tries) == 2:
                held.driver.rollback()
            context.enqueue("waited_for", {}, dedup_key="same")

        def plain(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
            follow(context)

        async def asynchronous(
            payload: dict[str, Any], connection: AsyncConnection, context: FlowContext
        ) -> None:
            follow(context)

        worker.declare(lambda payload: None, name="waited_for")
        flow = worker.declare(asynchronous if is_async else plain, name="follows", max_retries=0)
        ids = worker.enqueue("follows", [{}])
        held.driver.execute(SAME_KEY)
        worker.run(flow)
        assert [(row.status, row.retry_count) for row in worker.rows(ids)] == [("completed", 0)]
        assert tries == ids * 2
        [count] = worker.query("SELECT count(*) FROM processing_queue WHERE flow_name = 'waited_for'")
        assert count.count == 1
    rivals.dispose()


def test_a_conflict_in_a_group_of_exceptions(worker: Worker) -> None:
    """The first try has no savepoints, and the second try has savepoints. Both meet a conflict."""
    tries: list[int] = []

    async def conflicts(
        payload: dict[str, Any], connection: "psycopg.AsyncConnection[Any]", context: FlowContext
    ) -> None:
        tries.append(context.record_id)
        if len(tries) <= 2:
            async with asyncio.TaskGroup() as group:
                group.create_task(connection.execute(CONFLICT))

    [row] = worker.process(conflicts, [{}], name="conflicts", max_retries=0)
    assert (row.status, row.retry_count) == ("completed", 0)
    assert tries == [row.id] * 3
