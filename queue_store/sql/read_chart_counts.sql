-- What happened, bucket by bucket, oldest first: from the minutes, or from the hours where a bucket is an hour or more.
-- What is not folded yet is added. A bucket in which nothing happened is one of zeros.
WITH span AS MATERIALIZED (
    SELECT now() - make_interval(secs => %(seconds)s) AS since
), happened AS (
    SELECT m.minute AS at, enqueued, completed, failed, retried, cancelled
    FROM rollup_minutes m, span
    WHERE %(bucket_seconds)s < 3600 AND m.minute >= span.since
        AND (%(flow_name)s::text IS NULL OR m.flow_name = %(flow_name)s)
    UNION ALL
    SELECT h.hour, enqueued, completed, failed, retried, cancelled
    FROM rollup_hours h, span
    WHERE %(bucket_seconds)s >= 3600 AND h.hour >= span.since
        AND (%(flow_name)s::text IS NULL OR h.flow_name = %(flow_name)s)
    UNION ALL
    SELECT d.at, enqueued, completed, failed, retried, cancelled
    FROM rollup_deltas d, span
    WHERE d.id > (SELECT folded_through_id FROM rollup_progress) AND d.at >= span.since
        AND (%(flow_name)s::text IS NULL OR d.flow_name = %(flow_name)s)
)
SELECT bucket.at, coalesce(sum(enqueued), 0)::bigint, coalesce(sum(completed), 0)::bigint,
    coalesce(sum(failed), 0)::bigint, coalesce(sum(retried), 0)::bigint, coalesce(sum(cancelled), 0)::bigint
FROM span
CROSS JOIN generate_series(date_bin(make_interval(secs => %(bucket_seconds)s), span.since, '2000-01-01Z'), now(),
    make_interval(secs => %(bucket_seconds)s)) AS bucket(at)
LEFT JOIN happened ON date_bin(make_interval(secs => %(bucket_seconds)s), happened.at, '2000-01-01Z') = bucket.at
GROUP BY bucket.at
ORDER BY bucket.at
