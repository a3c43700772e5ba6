"""Fills a queue with rows and a history, for tests of the Queue page. The history agrees with the present rows, and
the alerts agree with both."""

from queue_store.database.manager import DatabaseManager

FLOWS = """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds)
VALUES ('invoice_export', 'flows', 100, 3, 7200), ('survey_processor', 'flows', 50, 3, 7200),
    ('thumbnail', 'images', 20, 5, 7200)
"""
PROCESSES = """
INSERT INTO worker_processes (worker_process_id, worker_id, hostname, pid, flow_names, celery_queues, versions,
    pool_capacity, pool_in_use, cpu_percent, memory_bytes, started_at, heartbeat_at)
SELECT gen_random_uuid(), '0b0f5a0e-6f0c-4d5b-9a63-3a8f0f6c1d00', 'worker-' || n, 100 + n,
    ARRAY['invoice_export', 'survey_processor', 'thumbnail'], ARRAY['flows', 'images'],
    '{"processing-queue": "0.1.0"}', 18, n, 10 * n, 90000000 + n * 1000000, now() - interval '2 hours',
    now() + interval '1 hour'
FROM generate_series(1, 3) n
"""
RUNS = """
INSERT INTO flow_execution_logs (flow_instance_id, flow_name, worker_process_id, started_at, heartbeat_at,
    batch_count, records_claimed, records_completed, records_retried)
SELECT ('00000000-0000-4000-8000-' || lpad(pid::text, 12, '0'))::uuid,
    (ARRAY['invoice_export', 'survey_processor', 'thumbnail'])[row_number() OVER ()],
    worker_process_id, now() - interval '3 minutes', now() + interval '1 hour', 12, 600, 580, 4
FROM worker_processes
"""
RECORDS = """
INSERT INTO processing_queue (flow_name, payload, priority, scheduled_at, created_at, dedup_key, claim_number)
SELECT (ARRAY['invoice_export', 'survey_processor', 'thumbnail'])[1 + n %% 3],
    jsonb_build_object('respondent_id', n, 'name', '<img src=x onerror=alert(1)>'), n %% 10,
    now() - n * interval '1 second', now() - (600 - n) * interval '1 minute', 'key-' || n,
    3 * (n %% 8 = 2)::integer
FROM generate_series(1, %(count)s) n WHERE set_config('processing_queue.restoring', 'on', true) = 'on'
"""
RESTORED = "SELECT set_config('processing_queue.restoring', 'off', true)"
NOT_COUNTED_NOW = "UPDATE rollup_deltas SET purged = purged - enqueued, enqueued = 0"
CLAIMED = """
UPDATE processing_queue q
SET status = 'processing', claimed_at = now() - interval '20 seconds', claim_number = claim_number + 1,
    flow_instance_id = (SELECT flow_instance_id FROM flow_execution_logs l
        ORDER BY l.flow_name = q.flow_name DESC, flow_instance_id LIMIT 1)
WHERE id %% 2 = 0
"""
COMPLETED = "UPDATE processing_queue SET status = 'completed', completed_at = now() WHERE id %% 4 = 0"
FAILED = """
UPDATE processing_queue SET status = 'failed', retry_count = 4,
    error_message = CASE flow_name || id %% 16
        WHEN 'invoice_export2' THEN 'ValueError: no such order <b>17</b>'
        WHEN 'thumbnail2' THEN 'UnidentifiedImageError: cannot identify image file scan-0042.tif'
        WHEN 'thumbnail10' THEN 'DecompressionBombError: image of 30,000 by 22,000 pixels'
        WHEN 'survey_processor2' THEN 'KeyError: income is not among the answers'
        ELSE 'TimeoutError: the bank did not answer' END
WHERE id %% 8 = 2
"""
ATTEMPTS = """
INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
    exception_type, error_message, error_group, traceback, started_at, finished_at)
SELECT id, n, n, flow_name, flow_instance_id, CASE n WHEN 4 THEN 'failed' ELSE 'retried' END,
    split_part(error_message, ':', 1), error_message, split_part(error_message, ' <', 1),
    format(E'Traceback (most recent call last):\n  File "/app/flows/%%1$s.py", line 48, in %%1$s\n'
        '    answer = client.send(record.payload, timeout=30)\n'
        '  File "/app/flows/client.py", line 112, in send\n    return self._checked(self._post(body, timeout))\n'
        '  File "/app/flows/client.py", line 131, in _checked\n    raise error from None\n%%2$s',
        flow_name, error_message),
    now() - id * interval '8 seconds' - (4 - n) * interval '4 minutes',
    now() - id * interval '8 seconds' - (4 - n) * interval '4 minutes' + interval '2 seconds'
FROM processing_queue, generate_series(1, 4) n WHERE status = 'failed'
"""
HISTORY = """
INSERT INTO rollup_deltas (flow_name, at, enqueued, purged, completed, completed_adjusted, failed, failed_adjusted,
    retried, claimed, processing_seconds, processing_histogram, wait_histogram)
SELECT flow, now() - m * interval '1 minute', e, e, c, -c, f, -f, f * 2, c, c * 0.02,
    ARRAY[0, 0, c / 4, c / 2, c / 4, c / 10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ARRAY[0, 0, 0, 0, 0, c / 4, c / 2, c / 4, c / 10, 1, 0, 0, 0, 0, 0, 0, 0, 0]
FROM (VALUES ('invoice_export', 1.0), ('survey_processor', 0.7), ('thumbnail', 0.3)) flows (flow, share),
    generate_series(-3, %(minutes)s) m,
LATERAL (SELECT flow = 'thumbnail' AND m <= 26 AS is_bad) trouble,
LATERAL (SELECT (share * (60 + 30 * sin(m / 9.0) + 10 * sin(m / 2.3)))::integer AS e) incoming,
LATERAL (SELECT (share * (60 + 30 * sin((m + 2) / 9.0) + 8 * sin(m / 3.1))
        * (1 - 0.65 * is_bad::integer))::integer AS c,
    (share * 40 * is_bad::integer + share * 2 * (m %% 7 = 0)::integer)::integer AS f) done
"""
DEPTHS = """
INSERT INTO depth_minutes (minute, flow_name, pending, processing, is_approximate, oldest_due_seconds)
SELECT date_trunc('minute', now()) - m * interval '1 minute', flow,
    40 + 22 * (1 - cos(m / 14.0)) + 6 * sin(m / 4.0), 10 + 3 * sin(m / 3.0), false, 20
FROM unnest(ARRAY['invoice_export', 'survey_processor', 'thumbnail']) flow, generate_series(1, %(minutes)s) m
ON CONFLICT DO NOTHING
"""
ALERTS = """
WITH hour AS (
    SELECT sum(completed) AS completed, sum(completed + failed) AS outcomes FROM rollup_deltas
    WHERE flow_name = 'thumbnail' AND at > now() - interval '61 minutes')
INSERT INTO alerts (alert_key, code, flow_name, level, raised_level, message, next_step, opened_at, last_seen_at,
    seen_count)
SELECT 'success_rate:thumbnail', 'success_rate', 'thumbnail', 'critical', 'critical',
    format('thumbnail: %%s %%%% of %%s records succeeded in the last hour, below 80 %%%%.',
        round(100.0 * completed / outcomes, 1), outcomes),
    'look at what fails: `queuectl failures --flow thumbnail`', now() - interval '18 minutes', now(), 18
FROM hour
UNION ALL
SELECT 'server_connections', 'server_connections', NULL, 'warning', 'warning',
    'The server has 81 of 100 connections open (81 %%), more than 80 %%.',
    'close connections that nobody needs, put a pooler in front, or raise max_connections',
    now() - interval '8 minutes', now(), 8
"""
CONTACTS = """
INSERT INTO alert_contacts (contact, process_kind, hostname, pid)
VALUES ('primary', 'worker', 'worker-1', 101), ('secondary', 'queuectl check', 'cron-1', 17)
"""
NOTIFICATIONS = """
WITH escalated AS (
    UPDATE alerts SET escalation_step = 1, level_since = opened_at WHERE level = 'critical')
INSERT INTO alert_notices (alert_id, change, level, rise_count, escalation_step, contact, created_at, sent_at,
    taken_at, try_count, error_message)
SELECT id, told.change, level, 0, step, contact, opened_at, opened_at + sent, opened_at + taken, tries, error
FROM alerts, (VALUES ('critical', 'opened', 0, 'primary', interval '4 s', interval '3 s', 1, NULL),
    ('critical', 'escalated', 1, 'secondary', NULL, interval '15 min', 3, 'hooks.example.net: answered 503'),
    ('warning', 'opened', 0, 'primary', interval '9 s', interval '8 s', 1, NULL),
    ('warning', 'opened', 0, 'log', interval '1 s', interval '1 s', 1, NULL))
    told (of_level, change, step, contact, sent, taken, tries, error)
WHERE level = of_level
"""
SCHEDULE = """
INSERT INTO schedule_occurrences (entry, due_at, state, taken_at, finished_at, take_number)
VALUES ('queue_health', now() - interval '10 minutes', 'finished', now() - interval '10 minutes',
    now() - interval '9 minutes', 1)
"""
BEAT = """
WITH beat AS (
    INSERT INTO beats (beat_id, hostname, pid, ticks)
    VALUES (gen_random_uuid(), 'beat-1', 41,
        jsonb_build_object('fan_out', now() - interval '1 second', 'alerts', now() - interval '20 seconds'))
    RETURNING beat_id)
UPDATE beat_leader SET beat_id = beat.beat_id, leads_until = now() + interval '1 hour' FROM beat
"""
AUDIT = """
INSERT INTO audit_log (at, actor, action, target, affected_count, details)
VALUES (now() - interval '3 hours', 'schedule', 'reset', 'records 17, 25', 2, '{}'),
    (now() - interval '2 hours', 'eve', 'pause', 'thumbnail', 1, '{"reason": "moving the disks"}'),
    (now() - interval '95 minutes', 'eve', 'resume', 'thumbnail', 1, '{}')
"""


def fill(database: DatabaseManager, count: int = 240, minutes: int = 180) -> None:
    """Makes three flows, `count` records, and `minutes` of history. The records have every status except `cancelled`.
    The history reaches three minutes into the future, so that it also covers the time that a test takes."""
    parameters = {"count": count, "minutes": minutes}
    with database.transaction() as cursor:
        for statement in (
            FLOWS,
            PROCESSES,
            RUNS,
            RECORDS,
            RESTORED,
            NOT_COUNTED_NOW,
            CLAIMED,
            COMPLETED,
            FAILED,
            ATTEMPTS,
        ):
            cursor.execute(statement.encode(), parameters if "%" in statement else None)
        for statement in (HISTORY, DEPTHS, ALERTS, CONTACTS, NOTIFICATIONS, SCHEDULE, BEAT, AUDIT):
            cursor.execute(statement.encode(), parameters if "%" in statement else None)
