"""With TEST_SCHEMA, the tested queue is in that schema, and a second queue is in `public`. The second queue has no
worker, but it has records that a worker with the wrong schema would take: a due record, and a record whose run and
process fell silent long ago."""

import psycopg

from queue_store.database import schema
from tests.support.schemas import TEST_SCHEMA, in_schema
from tests.support.servers import connect

PUBLIC = "public"
SETTLE = """
INSERT INTO public.flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds)
SELECT flow_name, 'flows', 10, 3, 60 FROM (VALUES ('quick'), ('one_commit'), ('failing')) names (flow_name);
INSERT INTO public.worker_processes (worker_process_id, worker_id, hostname, pid, heartbeat_at, celery_queues)
VALUES ('00000000-0000-0000-0000-000000000001', gen_random_uuid(), 'next', 1, now() - interval '1 hour', '{flows}');
INSERT INTO public.flow_execution_logs (flow_instance_id, flow_name, worker_process_id, heartbeat_at)
VALUES ('00000000-0000-0000-0000-000000000002', 'quick', '00000000-0000-0000-0000-000000000001',
    now() - interval '1 hour');
INSERT INTO public.processing_queue (flow_name) VALUES ('quick'), ('quick');
UPDATE public.processing_queue SET status = 'processing', claimed_at = now() - interval '1 hour', claim_number = 1,
    flow_instance_id = '00000000-0000-0000-0000-000000000002'
WHERE id = (SELECT min(id) FROM public.processing_queue);
"""
STATE = """
SELECT 'record', q::text FROM public.processing_queue q
UNION ALL SELECT 'run', r::text FROM public.flow_execution_logs r
UNION ALL SELECT 'process', w::text FROM public.worker_processes w
UNION ALL SELECT 'delta', d::text FROM public.rollup_deltas d
UNION ALL SELECT 'flow', f::text FROM public.flows f
ORDER BY 1, 2
"""
State = list[tuple[str, str]]


def settle(url: str) -> State:
    """Makes the second queue. Call this before anything else runs in this process. Returns the state of the second
    queue, or an empty list if there is no second queue."""
    if TEST_SCHEMA == PUBLIC:
        return []
    with in_schema(PUBLIC):
        manager = connect(url, pgbouncer=False)
        schema.migrate(manager.engine)
        manager.dispose()
    with psycopg.connect(url) as connection:
        connection.execute(SETTLE)
        return look(connection)


def look(connection: psycopg.Connection) -> State:
    return [] if TEST_SCHEMA == PUBLIC else connection.execute(STATE).fetchall()
