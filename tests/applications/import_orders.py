"""A nightly import with synchronous SQLAlchemy: `python -m tests.applications.import_orders FIRST COUNT`."""

import sys

from sqlalchemy.orm import Session

from processing_queue import DatabaseManager, QueueStoreError, enqueue_many
from tests.applications.shop_models import Order


def import_orders(first: int, count: int) -> int:
    """Imports all orders with their records, or nothing. Returns the number of records."""
    numbers = range(first, first + count)
    database = DatabaseManager()
    with Session(database.engine) as session, session.begin():
        session.add_all([Order(number=number) for number in numbers])
        session.flush()
        done = enqueue_many(session, "send_invoice", ({"order": number} for number in numbers), priority=7)
    database.dispose()
    return done.inserted_count


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{import_orders(*map(int, sys.argv[1:]))}\n")
    except QueueStoreError as error:
        sys.exit(str(error))
