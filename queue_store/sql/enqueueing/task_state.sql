-- The state of a task, and its last unsuccessful attempt. The task is found by the id of its record, or by the task
-- id that its producer chose.
SELECT q.id, q.flow_name, q.status, q.result, q.error_message, q.retry_count, q.completed_at, q.payload, q.claimed_at,
    attempt.exception_type, attempt.traceback
FROM public.processing_queue q
LEFT JOIN LATERAL (
    SELECT a.exception_type, a.traceback FROM public.record_attempts a
    WHERE a.record_id = q.id AND q.status <> 'completed'
    ORDER BY a.claim_number DESC LIMIT 1) attempt ON true
WHERE q.id = ANY(ARRAY(
    SELECT %(record_id)s::bigint WHERE %(record_id)s::bigint IS NOT NULL
    UNION ALL SELECT t.id FROM public.processing_queue t WHERE t.task_id = %(task_id)s::text))
