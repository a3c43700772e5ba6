"""Runs the migrations on the engine that `queue_store.database.schema` hands over, one migrator at a time."""

import time

from alembic import context
from sqlalchemy import Engine

MIGRATION_LOCK = 0x71756575  # any number that nobody else uses
TRY_AGAIN_SECONDS = 0.2

engine: Engine = context.config.attributes["engine"]
with engine.connect() as connection:
    # Asked for again and again: who waits in a statement has a snapshot, for which CREATE INDEX CONCURRENTLY waits.
    while not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({MIGRATION_LOCK})").scalar():
        connection.commit()
        time.sleep(TRY_AGAIN_SECONDS)
    connection.commit()
    connection.exec_driver_sql("SET lock_timeout = '5s'")
    connection.commit()
    try:
        context.configure(
            connection=connection, version_table="schema_version", transaction_per_migration=True
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
    finally:
        connection.rollback()
        connection.exec_driver_sql("RESET lock_timeout")
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({MIGRATION_LOCK})")
        connection.commit()
