-- The newest unsuccessful attempts of a run, with the current status of their records.
SELECT a.record_id, a.flow_name, q.status, a.attempt_number, a.outcome, a.exception_type,
    left(a.error_message, 300) AS error_message, a.error_group, a.finished_at
FROM public.record_attempts a
LEFT JOIN public.processing_queue q ON q.id = a.record_id
WHERE a.flow_instance_id = %(flow_instance_id)s
ORDER BY a.finished_at DESC, a.record_id DESC
LIMIT %(limit)s
