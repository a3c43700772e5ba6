"""PgQueuer on asyncpg: batches of 100, drain mode."""

import json
import os
import sys
import time

import asyncpg
from pgqueuer.db import AsyncpgDriver
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode


async def fill(count: int) -> None:
    connection = await asyncpg.connect(os.environ["PEER_URL"])
    queries = Queries(AsyncpgDriver(connection))
    if await connection.fetchval("SELECT to_regclass('pgqueuer')") is None:
        await queries.install()
    await connection.execute("TRUNCATE pgqueuer, pgqueuer_log")
    payload = json.dumps({"text": "x" * 150}).encode()
    for first in range(0, count, 1000):
        portion = min(1000, count - first)
        await queries.enqueue(["no_op"] * portion, [payload] * portion, [0] * portion)
    await connection.close()


async def work() -> None:
    connection = await asyncpg.connect(os.environ["PEER_URL"])
    manager = QueueManager(Queries(AsyncpgDriver(connection)))
    seen: list[float] = []

    @manager.entrypoint("no_op")
    async def no_op(job: object) -> None:
        seen.append(time.time())

    await manager.run(batch_size=100, mode=QueueExecutionMode.drain)
    print(json.dumps({"first": min(seen, default=0), "last": time.time(), "count": len(seen)}))


if __name__ == "__main__":
    import uvloop

    uvloop.run(fill(int(sys.argv[2])) if sys.argv[1] == "fill" else work())
