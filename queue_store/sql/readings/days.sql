-- For each full day of the last `days` days, oldest first: how many records were enqueued, and how many were completed
-- or failed. The first day with counts is left out if no earlier counts exist, because the queue may have been
-- installed in the middle of that day. After this day, each day has a row, even if nothing happened on it: that row has
-- zeros.
WITH known AS MATERIALIZED (
    SELECT date_trunc('day', hour, 'UTC') AS day, sum(enqueued)::bigint AS enqueued,
        sum(completed + failed)::bigint AS outcomes
    FROM public.rollup_hours
    WHERE hour >= date_trunc('day', now(), 'UTC') - make_interval(hours => 24 * %(days)s::integer)
        AND hour < date_trunc('day', now(), 'UTC')
    GROUP BY 1
)
SELECT each.day, coalesce(known.enqueued, 0) AS enqueued, coalesce(known.outcomes, 0) AS outcomes
FROM generate_series(
    (SELECT min(day) FROM known) + CASE WHEN EXISTS (SELECT FROM public.rollup_hours
        WHERE hour < date_trunc('day', now(), 'UTC') - make_interval(hours => 24 * %(days)s::integer))
        THEN interval '0' ELSE interval '24 hours' END,
    date_trunc('day', now(), 'UTC') - interval '24 hours',
    interval '24 hours') AS each(day)
LEFT JOIN known USING (day)
ORDER BY 1
