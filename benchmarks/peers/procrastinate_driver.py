"""Procrastinate, with twenty jobs at a time. Finished jobs are deleted at once."""

import asyncio
import json
import os
import sys
import time

import procrastinate

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["PEER_URL"]))
seen: list[float] = []


@app.task(name="no_op")
async def no_op(text: str) -> None:
    seen.append(time.time())


async def fill(count: int) -> None:
    async with app.open_async():
        known = await app.connector.execute_query_one_async(
            "SELECT to_regclass('procrastinate_jobs') AS known"
        )
        if known["known"] is None:
            await app.schema_manager.apply_schema_async()
        await app.connector.execute_query_async("TRUNCATE procrastinate_jobs CASCADE")
        began = time.perf_counter()
        for first in range(0, count, 1000):
            portion = min(1000, count - first)
            await no_op.batch_defer_async(*[{"text": "x" * 150}] * portion)
        print(json.dumps({"count": count, "seconds": time.perf_counter() - began}))


async def work() -> None:
    async with app.open_async():
        await app.run_worker_async(
            concurrency=20,
            wait=False,
            listen_notify=False,
            delete_jobs="always",
            install_signal_handlers=False,
        )
    print(json.dumps({"first": min(seen, default=0), "last": max(seen, default=0), "count": len(seen)}))


if __name__ == "__main__":
    asyncio.run(fill(int(sys.argv[2])) if sys.argv[1] == "fill" else work())
