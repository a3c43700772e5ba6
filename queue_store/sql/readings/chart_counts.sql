-- The counts of each bucket, oldest first. For one flow, the statement reads the flow's counts by minute, or by hour if
-- a bucket is an hour or longer. If `flow_name` is NULL, the statement reads the counts of all flows by minute. But old
-- hours no longer have all their minutes. If a bucket is an hour or longer, the statement reads these hours by hour.
-- Deltas that are not folded yet are added. A bucket in which nothing happened is returned with zeros.
WITH span AS MATERIALIZED (
    SELECT now() - make_interval(secs => %(seconds)s) AS since
), minutes_from AS MATERIALIZED (
    SELECT coalesce(date_trunc('hour', min(minute), 'UTC') + interval '1 hour', 'infinity') AS at FROM public.rollup_overall
), happened AS (
    SELECT o.minute AS at, enqueued, completed, failed, retried, cancelled
    FROM public.rollup_overall o
    WHERE %(flow_name)s::text IS NULL AND o.minute >= now() - make_interval(secs => %(seconds)s)
        AND (%(bucket_seconds)s < 3600 OR o.minute >= (SELECT at FROM minutes_from))
    UNION ALL
    SELECT h.hour, enqueued, completed, failed, retried, cancelled
    FROM public.rollup_hours h
    WHERE %(flow_name)s::text IS NULL AND %(bucket_seconds)s >= 3600
        AND h.hour >= now() - make_interval(secs => %(seconds)s)
        AND h.hour < (SELECT at FROM minutes_from)
    UNION ALL
    SELECT m.minute, enqueued, completed, failed, retried, cancelled
    FROM public.rollup_minutes m
    WHERE m.flow_name = %(flow_name)s AND %(bucket_seconds)s < 3600
        AND m.minute >= now() - make_interval(secs => %(seconds)s)
    UNION ALL
    SELECT h.hour, enqueued, completed, failed, retried, cancelled
    FROM public.rollup_hours h
    WHERE h.flow_name = %(flow_name)s AND %(bucket_seconds)s >= 3600
        AND h.hour >= now() - make_interval(secs => %(seconds)s)
    UNION ALL
    SELECT d.at, enqueued, completed, failed, retried, cancelled
    FROM public.rollup_deltas d
    WHERE d.id > (SELECT folded_through_id FROM public.rollup_progress)
        AND d.at >= now() - make_interval(secs => %(seconds)s)
        AND (%(flow_name)s::text IS NULL OR d.flow_name = %(flow_name)s)
), counted AS MATERIALIZED (
    SELECT date_bin(make_interval(secs => %(bucket_seconds)s), at, '2000-01-01Z') AS at, sum(enqueued) AS enqueued,
        sum(completed) AS completed, sum(failed) AS failed, sum(retried) AS retried, sum(cancelled) AS cancelled
    FROM happened
    GROUP BY 1
)
SELECT bucket.at, coalesce(c.enqueued, 0)::bigint AS enqueued, coalesce(c.completed, 0)::bigint AS completed,
    coalesce(c.failed, 0)::bigint AS failed, coalesce(c.retried, 0)::bigint AS retried,
    coalesce(c.cancelled, 0)::bigint AS cancelled
FROM span
CROSS JOIN generate_series(date_bin(make_interval(secs => %(bucket_seconds)s), span.since, '2000-01-01Z'), now(),
    make_interval(secs => %(bucket_seconds)s)) AS bucket(at)
LEFT JOIN counted c ON c.at = bucket.at
ORDER BY bucket.at
