-- What happened, bucket by bucket, oldest first: from the minutes, or from the hours where a bucket is an hour or more.
-- What is not folded yet is added. Buckets in which nothing happened are left out.
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
SELECT date_bin(make_interval(secs => %(bucket_seconds)s), at, '2000-01-01Z') AS bucket, sum(enqueued)::bigint,
    sum(completed)::bigint, sum(failed)::bigint, sum(retried)::bigint, sum(cancelled)::bigint
FROM happened
GROUP BY bucket
ORDER BY bucket
