-- How long records were processed and how long they waited, by minute, or by hour if the chart's buckets are longer
-- than a minute. The tables are chosen as in chart_counts.sql, with two differences. Hourly rows are read as soon as a
-- bucket is longer than a minute. Deltas that are not folded yet are left out.
WITH minutes_from AS MATERIALIZED (
    SELECT coalesce(date_trunc('hour', min(minute), 'UTC') + interval '1 hour', 'infinity') AS at FROM public.rollup_overall
), counted AS (
    SELECT CASE WHEN %(bucket_seconds)s <= 60 THEN o.minute ELSE date_trunc('hour', o.minute, 'UTC') END AS bucket,
        processing_histogram AS p, wait_histogram AS w
    FROM public.rollup_overall o
    WHERE %(flow_name)s::text IS NULL AND (
        %(bucket_seconds)s <= 60 AND o.minute >= now() - make_interval(secs => %(seconds)s)
        OR o.minute >= date_trunc('hour', now() - make_interval(secs => %(seconds)s), 'UTC') + interval '1 hour'
            AND o.minute >= (SELECT at FROM minutes_from))
    UNION ALL
    SELECT h.hour, processing_histogram, wait_histogram
    FROM public.rollup_hours h
    WHERE %(flow_name)s::text IS NULL AND %(bucket_seconds)s > 60
        AND h.hour >= now() - make_interval(secs => %(seconds)s)
        AND h.hour < (SELECT at FROM minutes_from)
    UNION ALL
    SELECT m.minute, processing_histogram, wait_histogram
    FROM public.rollup_minutes m
    WHERE m.flow_name = %(flow_name)s AND %(bucket_seconds)s <= 60
        AND m.minute >= now() - make_interval(secs => %(seconds)s)
    UNION ALL
    SELECT h.hour, processing_histogram, wait_histogram
    FROM public.rollup_hours h
    WHERE h.flow_name = %(flow_name)s AND %(bucket_seconds)s > 60
        AND h.hour >= now() - make_interval(secs => %(seconds)s)
)
-- Adds up the histograms position by position, because `unnest` takes many times as long.
SELECT bucket AS at, CASE WHEN sum(cardinality(p)) > 0 THEN array_replace(ARRAY[
            sum(p[1]), sum(p[2]), sum(p[3]), sum(p[4]), sum(p[5]), sum(p[6]), sum(p[7]), sum(p[8]), sum(p[9]),
            sum(p[10]), sum(p[11]), sum(p[12]), sum(p[13]), sum(p[14]), sum(p[15]), sum(p[16]), sum(p[17]), sum(p[18])
        ]::bigint[], NULL, 0) ELSE '{}' END AS processing,
    CASE WHEN sum(cardinality(w)) > 0 THEN array_replace(ARRAY[
            sum(w[1]), sum(w[2]), sum(w[3]), sum(w[4]), sum(w[5]), sum(w[6]), sum(w[7]), sum(w[8]), sum(w[9]),
            sum(w[10]), sum(w[11]), sum(w[12]), sum(w[13]), sum(w[14]), sum(w[15]), sum(w[16]), sum(w[17]), sum(w[18])
        ]::bigint[], NULL, 0) ELSE '{}' END AS wait
FROM counted
GROUP BY bucket
ORDER BY bucket
