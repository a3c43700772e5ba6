-- The open flows that have due work: how many records at least (counted up to a bound), how long the oldest has
-- waited, how many runs are alive and may be, and how many worker processes serve the flow.
SELECT f.flow_name, f.celery_queue, coalesce(f.batch_size_override, f.batch_size) AS batch_size,
    due.records, due.waited_seconds, alive.runs AS alive_runs, coalesce(f.max_runs_override, f.max_runs) AS max_runs,
    (SELECT count(*) FROM worker_processes w
        WHERE w.state = 'running' AND f.flow_name = ANY(w.flow_names)) AS worker_processes
FROM flows f
CROSS JOIN queue_control c
CROSS JOIN LATERAL (
    SELECT count(*) AS records, coalesce(max(extract(epoch FROM now() - d.scheduled_at)), 0)::float8 AS waited_seconds
    FROM generate_series(0, 9) AS level(priority)
    CROSS JOIN LATERAL (
        SELECT q.scheduled_at FROM processing_queue q
        WHERE q.status = 'pending' AND q.flow_name = f.flow_name AND q.priority = level.priority::smallint
            AND q.scheduled_at <= now()
        ORDER BY q.scheduled_at, q.id
        LIMIT %(count_limit)s
    ) d
) due
CROSS JOIN LATERAL (
    SELECT count(*) AS runs FROM flow_execution_logs r
    WHERE r.flow_name = f.flow_name AND r.state IN ('running', 'stopping')
) alive
WHERE f.paused_at IS NULL AND c.processing_stopped_at IS NULL AND due.records > 0
    AND (%(celery_queues)s::text[] IS NULL OR f.celery_queue = ANY(%(celery_queues)s::text[]))
ORDER BY due.waited_seconds DESC
