-- The newest attempts that ended with one kind of error, with the current status of their records.
SELECT a.record_id, a.flow_name, q.status, a.attempt_number, a.outcome, a.exception_type,
    left(a.error_message, 300) AS error_message, a.finished_at
FROM public.record_attempts a
LEFT JOIN public.processing_queue q ON q.id = a.record_id
WHERE a.error_group = %(error_group)s AND a.flow_name = ANY(ARRAY(SELECT flow_name FROM public.flows))
    AND (a.finished_at, a.record_id) < (%(before_at)s, %(before_id)s)
ORDER BY a.finished_at DESC, a.record_id DESC
LIMIT %(limit)s
