-- The records of the newest attempts that ended with one kind of error, flow by flow as the index has them.
SELECT a.record_id
FROM public.flows f
CROSS JOIN LATERAL (
    SELECT record_id, finished_at FROM public.record_attempts
    WHERE flow_name = f.flow_name AND error_group = %(error_group)s
    ORDER BY finished_at DESC
    LIMIT %(limit)s) a
WHERE %(flow_name)s::text IS NULL OR f.flow_name = %(flow_name)s
ORDER BY a.finished_at DESC
LIMIT %(limit)s
