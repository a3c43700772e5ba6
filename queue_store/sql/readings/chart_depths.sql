-- The depth of the queue at the first sample of each time bucket, the oldest bucket first.
SELECT bucket.at, sum(d.pending)::bigint AS pending, sum(d.processing)::bigint AS processing,
    max(d.oldest_due_seconds) AS oldest_due_seconds
FROM generate_series(
    date_bin(make_interval(secs => %(bucket_seconds)s), now() - make_interval(secs => %(seconds)s), '2000-01-01Z'),
    now(), make_interval(secs => %(bucket_seconds)s)) AS bucket(at)
CROSS JOIN LATERAL (
    SELECT m.minute FROM public.depth_minutes m
    WHERE m.minute >= bucket.at AND m.minute < bucket.at + make_interval(secs => %(bucket_seconds)s)
    ORDER BY m.minute
    LIMIT 1) look
JOIN public.depth_minutes d ON d.minute = look.minute
WHERE %(flow_name)s::text IS NULL OR d.flow_name = %(flow_name)s
GROUP BY bucket.at
ORDER BY bucket.at
