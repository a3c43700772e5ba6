"""A queue with a past: what the Queue page is looked at with."""

from queue_store.database_manager import DatabaseManager

FLOWS = """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds)
VALUES ('invoice_export', 'flows', 100, 3, 7200), ('survey_processor', 'flows', 50, 3, 7200),
    ('thumbnail', 'images', 20, 5, 7200)
"""
PROCESSES = """
INSERT INTO worker_processes (worker_process_id, worker_id, hostname, pid, flow_names, celery_queues, versions,
    pool_capacity, pool_in_use, cpu_percent, memory_bytes, started_at, heartbeat_at)
SELECT gen_random_uuid(), '0b0f5a0e-6f0c-4d5b-9a63-3a8f0f6c1d00', 'worker-' || n, 100 + n,
    ARRAY['invoice_export', 'survey_processor'], ARRAY['flows'], '{"processing-queue": "0.1.0"}', 18, n, 10 * n,
    90000000 + n * 1000000, now() - interval '2 hours', now() + interval '1 hour'
FROM generate_series(1, 3) n
"""
RUNS = """
INSERT INTO flow_execution_logs (flow_instance_id, flow_name, worker_process_id, started_at, heartbeat_at,
    batch_count, records_claimed, records_completed, records_retried)
SELECT gen_random_uuid(), 'survey_processor', worker_process_id, now() - interval '3 minutes',
    now() + interval '1 hour', 12, 600, 580, 4
FROM worker_processes
"""
RECORDS = """
INSERT INTO processing_queue (flow_name, payload, priority, scheduled_at, created_at, dedup_key)
SELECT (ARRAY['invoice_export', 'survey_processor', 'thumbnail'])[1 + n %% 3],
    jsonb_build_object('respondent_id', n, 'name', '<img src=x onerror=alert(1)>'), n %% 10,
    now() - n * interval '1 second', now() - (600 - n) * interval '1 minute', 'key-' || n
FROM generate_series(1, %(count)s) n
"""
CLAIMED = """
UPDATE processing_queue q
SET status = 'processing', claimed_at = now() - interval '20 seconds', claim_number = 1,
    flow_instance_id = (SELECT flow_instance_id FROM flow_execution_logs ORDER BY flow_instance_id LIMIT 1)
WHERE id %% 2 = 0
"""
COMPLETED = "UPDATE processing_queue SET status = 'completed', completed_at = now() WHERE id %% 4 = 0"
FAILED = """
UPDATE processing_queue SET status = 'failed', retry_count = 4,
    error_message = CASE id %% 3 WHEN 0 THEN 'ValueError: no such order <b>17</b>'
        ELSE 'TimeoutError: the bank did not answer' END
WHERE id %% 8 = 2
"""
ATTEMPTS = """
INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
    exception_type, error_message, error_group, traceback, started_at, finished_at)
SELECT id, claim_number, 4, flow_name, flow_instance_id, 'failed', split_part(error_message, ':', 1),
    error_message,
    split_part(error_message, ' <', 1),
    E'Traceback (most recent call last):\n  File "orders.py", line 17, in export\n' ||
    error_message, now() - id * interval '1 minute', now() - id * interval '50 seconds'
FROM processing_queue WHERE status = 'failed'
"""
HISTORY = """
INSERT INTO rollup_deltas (flow_name, at, enqueued, purged, completed, completed_adjusted, failed, failed_adjusted,
    retried, claimed, processing_seconds, processing_histogram, wait_histogram)
SELECT flow, now() - m * interval '1 minute', e, e, c, -c, f, -f, f * 2, c, c * 0.02,
    ARRAY[0, 0, c / 4, c / 2, c / 4, c / 10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ARRAY[0, 0, 0, 0, 0, c / 4, c / 2, c / 4, c / 10, 1, 0, 0, 0, 0, 0, 0, 0, 0]
FROM unnest(ARRAY['invoice_export', 'survey_processor']) flow, generate_series(1, %(minutes)s) m,
LATERAL (SELECT (60 + 40 * sin(m / 9.0) + 20 * sin(m / 2.3))::integer AS e) incoming,
LATERAL (SELECT (60 + 40 * sin((m + 3) / 9.0) + 15 * sin(m / 3.1))::integer AS c,
    (m %% 7 = 0)::integer * (m %% 5) AS f) done
"""
DEPTHS = """
INSERT INTO depth_minutes (minute, flow_name, pending, processing, is_approximate, oldest_due_seconds)
SELECT date_trunc('minute', now()) - m * interval '1 minute', flow, 300 + 200 * sin(m / 12.0), 90 + 10 * sin(m / 3.0),
    false, 20
FROM unnest(ARRAY['invoice_export', 'survey_processor']) flow,
    generate_series(1, %(minutes)s) m
ON CONFLICT DO NOTHING
"""
ALERTS = """
INSERT INTO alerts (alert_key, code, flow_name, level, message, next_step, opened_at)
VALUES ('success_rate:thumbnail', 'success_rate', 'thumbnail', 'critical',
    'Only 71 percent of the records of thumbnail succeeded in the last hour.', 'Look at queuectl failures.',
    now() - interval '25 minutes'),
    ('held_snapshot', 'held_snapshot', NULL, 'warning', 'A transaction is open for 12 minutes.',
    'Ask its owner to end it.', now() - interval '8 minutes')
"""
SCHEDULE = """
INSERT INTO schedule_occurrences (entry, due_at, state, taken_at, finished_at, take_number)
VALUES ('fan_out', now() - interval '10 minutes', 'finished', now() - interval '10 minutes',
    now() - interval '9 minutes', 1)
"""
BEAT = """
WITH beat AS (
    INSERT INTO beats (beat_id, hostname, pid) VALUES (gen_random_uuid(), 'beat-1', 41) RETURNING beat_id)
UPDATE beat_leader SET beat_id = beat.beat_id, leads_until = now() + interval '1 hour' FROM beat
"""
AUDIT = """
INSERT INTO audit_log (actor, action, target, affected_count, details)
VALUES ('eve', 'pause', 'thumbnail', 1, '{"reason": "moving the disks"}')
"""


def fill(database: DatabaseManager, count: int = 240, minutes: int = 180) -> None:
    """Three flows; `count` records in every status; `minutes` of history for two of the flows."""
    parameters = {"count": count, "minutes": minutes}
    with database.transaction() as cursor:
        for statement in (FLOWS, PROCESSES, RUNS, RECORDS, CLAIMED, COMPLETED, FAILED, ATTEMPTS):
            cursor.execute(statement, parameters if "%" in statement else None)
        for statement in (HISTORY, DEPTHS, ALERTS, SCHEDULE, BEAT, AUDIT):
            cursor.execute(statement, parameters if "%" in statement else None)
