-- Hours whose counts are not the sum of their minutes. One statement writes both, so somebody deleted or changed one
-- of them. With `at_a_glance` it reads only the last three hours. Retention deletes the oldest minutes first, so an
-- hour of more than a day ago is compared only if all its minutes are still kept. In some time zones hours begin at
-- minute 30. Hours that a session with such a time zone has folded are not compared.
WITH kept AS MATERIALIZED (
    SELECT date_trunc('hour', greatest(
        least((SELECT min(minute) FROM public.rollup_minutes), now() - interval '1 day') + interval '1 hour',
        CASE WHEN %(at_a_glance)s THEN now() - interval '3 hours' END), 'UTC') AS since
), by_minute AS (
    SELECT date_trunc('hour', minute, 'UTC') AS hour, flow_name, sum(enqueued + claimed + completed + failed + retried
        + snoozed + released + rescued + crashed + cancelled + reset + refused + purged) AS counted
    FROM public.rollup_minutes WHERE minute >= (SELECT since FROM kept)
        AND minute >= now() - CASE WHEN %(at_a_glance)s THEN interval '5 hours' ELSE interval '200 years' END -- a hint
    GROUP BY 1, 2
), by_hour AS (
    SELECT hour, flow_name, enqueued + claimed + completed + failed + retried
        + snoozed + released + rescued + crashed + cancelled + reset + refused + purged AS counted
    FROM public.rollup_hours WHERE hour >= (SELECT since FROM kept)
        AND hour >= now() - CASE WHEN %(at_a_glance)s THEN interval '5 hours' ELSE interval '200 years' END
)
SELECT format('flow %%s, hour %%s: %%s by the counts of its minutes, %%s by the count of the hour', flow_name,
        to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), coalesce(m.counted, 0), coalesce(h.counted, 0)) AS problem,
    NULL::bigint AS record_id
FROM by_minute m FULL JOIN by_hour h USING (hour, flow_name)
WHERE coalesce(m.counted, 0) <> coalesce(h.counted, 0)
    AND NOT EXISTS (
        SELECT FROM public.rollup_hours WHERE hour >= (SELECT since FROM kept) AND hour <> date_trunc('hour', hour, 'UTC'))
LIMIT 100
