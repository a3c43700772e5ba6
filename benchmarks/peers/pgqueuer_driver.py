"""PgQueuer on asyncpg, with batches of 100. Throughput is measured in drain mode. Latency is measured in continuous
mode, in which PgQueuer listens for notifications of new jobs."""

import asyncio
import json
import os
import signal
import sys
import time

import asyncpg
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
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
    began = time.perf_counter()
    for first in range(0, count, 1000):
        portion = min(1000, count - first)
        await queries.enqueue(["no_op"] * portion, [payload] * portion, [0] * portion)
    print(json.dumps({"count": count, "seconds": time.perf_counter() - began}))
    await connection.close()


async def produce(count: int) -> None:
    connection = await asyncpg.connect(os.environ["PEER_URL"])
    queries = Queries(AsyncpgDriver(connection))
    for _ in range(count):
        await queries.enqueue(["no_op"], [json.dumps({"at": time.time()}).encode()], [0])
        await asyncio.sleep(0.02)
    await connection.close()


async def work(mode: QueueExecutionMode) -> None:
    connection = await asyncpg.connect(os.environ["PEER_URL"])
    manager = QueueManager(Queries(AsyncpgDriver(connection)))
    seen: list[float] = []
    waits: list[float] = []

    @manager.entrypoint("no_op")
    async def no_op(job: Job) -> None:
        seen.append(time.time())
        if mode is QueueExecutionMode.continuous:
            waits.append(seen[-1] - json.loads(job.payload or b"{}")["at"])

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, manager.shutdown.set)
    await manager.run(batch_size=100, mode=mode)
    span = {"first": min(seen, default=0), "last": max(seen, default=0), "count": len(seen), "waits": waits}
    print(json.dumps(span))


if __name__ == "__main__":
    import uvloop

    commands = {
        "fill": lambda: fill(int(sys.argv[2])),
        "produce": lambda: produce(int(sys.argv[2])),
        "work": lambda: work(QueueExecutionMode.drain),
        "listen": lambda: work(QueueExecutionMode.continuous),
    }
    uvloop.run(commands[sys.argv[1]]())
