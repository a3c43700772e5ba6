"""The outcomes of a run, written over an asynchronous connection."""

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncCursor

from queue_store.database.statements import NamedStatement, sql
from queue_store.records.record import Outcome, Written
from queue_store.runs.outcomes import follow_up_parameters, read_follow_up, read_written
from queue_store.runs.run import Run


async def write_in_async(run: Run, cursor: AsyncCursor[Any], outcomes: Sequence[Outcome]) -> Written:
    """Like `Run.write_in`, but over the asynchronous connection of this cursor."""
    return await send_in_async(run, cursor, run.outcome_statements(outcomes), outcomes)


async def send_in_async(
    run: Run, cursor: AsyncCursor[Any], statements: Sequence[NamedStatement], outcomes: Sequence[Outcome]
) -> Written:
    """Send the statements of these outcomes, and enqueue the follow-up records of the accepted outcomes."""
    written = Written()
    await cursor.execute(sql("runs/plan_once"), run.parameters)
    for statement in statements:
        await cursor.execute(sql(statement.name), statement.parameters)
        read_written(statement, await cursor.fetchall(), written)
    for follow_up in follow_up_parameters(outcomes, written):
        await cursor.execute(sql("arrows/enqueue"), follow_up)
        read_follow_up(follow_up, (await cursor.fetchall())[0], written)
    return written
