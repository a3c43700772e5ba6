"""Inserts flows as rows, for tests without a worker that registers them."""

from queue_store.database.manager import DatabaseManager


def register_flow(database: DatabaseManager, flow_name: str, celery_queue: str = "celery") -> None:
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds)"
            " VALUES (%s, %s, 100, 3, 7200)",
            (flow_name, celery_queue),
        )


def start_processing(database: DatabaseManager, record_id: int) -> None:
    """Changes the record as if a run had claimed it just now."""
    with database.transaction() as cursor:
        cursor.execute(
            "UPDATE processing_queue SET status = 'processing', claimed_at = clock_timestamp(),"
            " flow_instance_id = gen_random_uuid(), claim_number = claim_number + 1 WHERE id = %s",
            (record_id,),
        )
