-- The depth of the queue in each minute of the last `seconds` seconds, oldest first. `not_waiting` names the flows
-- whose records do not count as waiting.
SELECT minute, sum(pending)::bigint AS pending, sum(processing)::bigint AS processing,
    max(oldest_due_seconds) AS oldest_due_seconds,
    coalesce(sum(waiting) FILTER (WHERE flow_name <> ALL(%(not_waiting)s::text[])), 0)::bigint AS waiting
FROM public.depth_minutes
WHERE minute >= now() - make_interval(secs => %(seconds)s)
    AND (%(flow_name)s::text IS NULL OR flow_name = %(flow_name)s)
GROUP BY minute
ORDER BY minute
