-- How long records took and waited, bucket by bucket: minutes, or hours where a bucket is longer than a minute.
WITH span AS MATERIALIZED (
    SELECT now() - make_interval(secs => %(seconds)s) AS since
), counted AS (
    SELECT m.minute AS bucket, processing_histogram, wait_histogram
    FROM public.rollup_minutes m, span
    WHERE %(bucket_seconds)s <= 60 AND m.minute >= span.since
        AND (%(flow_name)s::text IS NULL OR m.flow_name = %(flow_name)s)
    UNION ALL
    SELECT h.hour, processing_histogram, wait_histogram
    FROM public.rollup_hours h, span
    WHERE %(bucket_seconds)s > 60 AND h.hour >= span.since
        AND (%(flow_name)s::text IS NULL OR h.flow_name = %(flow_name)s)
), added_up AS (
    SELECT counted.bucket, bar.number, coalesce(sum(bar.processing), 0)::bigint AS processing,
        coalesce(sum(bar.wait), 0)::bigint AS wait
    FROM counted, unnest(processing_histogram, wait_histogram) WITH ORDINALITY AS bar(processing, wait, number)
    GROUP BY counted.bucket, bar.number
)
SELECT bucket AS at, array_agg(processing ORDER BY number) AS processing, array_agg(wait ORDER BY number) AS wait
FROM added_up
GROUP BY bucket
ORDER BY bucket
