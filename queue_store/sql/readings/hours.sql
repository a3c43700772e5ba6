-- The counts of each hour in the last `seconds` seconds, for all flows or for one flow, newest first.
SELECT hour, sum(enqueued)::bigint AS enqueued, sum(completed)::bigint AS completed, sum(failed)::bigint AS failed,
    sum(retried)::bigint AS retried, sum(processing_seconds) AS processing_seconds
FROM public.rollup_hours
WHERE hour >= date_trunc('hour', now() - make_interval(secs => %(seconds)s), 'UTC')
    AND (%(flow_name)s::text IS NULL OR flow_name = %(flow_name)s)
GROUP BY hour
ORDER BY hour DESC
