-- What happened, bucket by bucket, oldest first: from the minutes, or from the hours where a bucket is an hour or more.
-- What is not folded yet is added. A bucket in which nothing happened is one of zeros.
WITH span AS MATERIALIZED (
    SELECT now() - make_interval(secs => %(seconds)s) AS since
), happened AS (
    SELECT m.minute AS at, enqueued, completed, failed, retried, cancelled
    FROM public.rollup_minutes m, span
    WHERE %(bucket_seconds)s < 3600 AND m.minute >= span.since
        AND (%(flow_name)s::text IS NULL OR m.flow_name = %(flow_name)s)
    UNION ALL
    SELECT h.hour, enqueued, completed, failed, retried, cancelled
    FROM public.rollup_hours h, span
    WHERE %(bucket_seconds)s >= 3600 AND h.hour >= span.since
        AND (%(flow_name)s::text IS NULL OR h.flow_name = %(flow_name)s)
    UNION ALL
    SELECT d.at, enqueued, completed, failed, retried, cancelled
    FROM public.rollup_deltas d, span
    WHERE d.id > (SELECT folded_through_id FROM public.rollup_progress) AND d.at >= span.since
        AND (%(flow_name)s::text IS NULL OR d.flow_name = %(flow_name)s)
), counted AS MATERIALIZED (
    SELECT date_bin(make_interval(secs => %(bucket_seconds)s), at, '2000-01-01Z') AS at, sum(enqueued) AS enqueued,
        sum(completed) AS completed, sum(failed) AS failed, sum(retried) AS retried, sum(cancelled) AS cancelled
    FROM happened
    GROUP BY 1
)
SELECT bucket.at, coalesce(c.enqueued, 0)::bigint AS enqueued, coalesce(c.completed, 0)::bigint AS completed, coalesce(c.failed, 0)::bigint AS failed,
    coalesce(c.retried, 0)::bigint AS retried, coalesce(c.cancelled, 0)::bigint AS cancelled
FROM span
CROSS JOIN generate_series(date_bin(make_interval(secs => %(bucket_seconds)s), span.since, '2000-01-01Z'), now(),
    make_interval(secs => %(bucket_seconds)s)) AS bucket(at)
LEFT JOIN counted c ON c.at = bucket.at
ORDER BY bucket.at
