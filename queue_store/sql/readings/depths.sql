-- How deep the queue was in each minute of the last `seconds` seconds, oldest first.
SELECT minute, sum(pending)::bigint AS pending, sum(processing)::bigint AS processing,
    max(oldest_due_seconds) AS oldest_due_seconds, sum(waiting)::bigint AS waiting
FROM public.depth_minutes
WHERE minute >= now() - make_interval(secs => %(seconds)s)
    AND (%(flow_name)s::text IS NULL OR flow_name = %(flow_name)s)
GROUP BY minute
ORDER BY minute
