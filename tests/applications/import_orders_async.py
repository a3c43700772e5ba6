"""The import of import_orders.py, with asynchronous SQLAlchemy:
`python -m tests.applications.import_orders_async FIRST COUNT`."""

import asyncio
import sys

from sqlalchemy.ext.asyncio import AsyncSession

from processing_queue import DatabaseManager, QueueStoreError, aenqueue_many
from tests.applications.shop_models import Order


async def import_orders(first: int, count: int) -> int:
    """Imports all orders with their records, or nothing. Returns the number of records."""
    numbers = range(first, first + count)
    database = DatabaseManager()
    async with AsyncSession(database.async_engine) as session, session.begin():
        session.add_all([Order(number=number) for number in numbers])
        await session.flush()
        done = await aenqueue_many(
            session, "send_invoice", [{"order": number} for number in numbers], priority=7
        )
    await database.dispose_async()
    return done.inserted_count


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{asyncio.run(import_orders(*map(int, sys.argv[1:])))}\n")
    except QueueStoreError as error:
        sys.exit(str(error))
