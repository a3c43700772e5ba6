-- The unsuccessful attempts after the last one that the caller has read, oldest first.
SELECT a.finished_at AS at, a.flow_name, a.record_id, a.outcome, a.exception_type,
    left(a.error_message, 500) AS error_message
FROM public.record_attempts a
WHERE (a.finished_at, a.record_id) > (%(after_at)s, %(after_id)s)
    AND (%(flow_name)s::text IS NULL OR a.flow_name = %(flow_name)s)
ORDER BY a.finished_at, a.record_id
LIMIT %(limit)s
