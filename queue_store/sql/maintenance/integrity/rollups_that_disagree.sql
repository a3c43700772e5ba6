-- Hours whose counts are not the sums of the counts of their minutes. One statement writes an hour and its minutes, so
-- a difference means that somebody deleted or changed some of these rows. With `at_a_glance`, only the last three hours
-- are read. Retention deletes the oldest minutes first, so an hour that began more than a day ago is compared only if
-- all its minutes are still kept. Folds use the hours of UTC. But an older build folded hours in the time zone of its
-- session, so a stored hour can begin at 10:30 UTC, for example. If a stored hour does not begin at a full hour of UTC,
-- the flow's UTC hours that overlap with it are not compared.
WITH kept AS MATERIALIZED (
    SELECT date_trunc('hour', greatest(
        least((SELECT min(minute) FROM public.rollup_minutes), now() - interval '1 day') + interval '1 hour',
        CASE WHEN %(at_a_glance)s THEN now() - interval '3 hours' END), 'UTC') AS since
), by_minute AS (
    SELECT date_trunc('hour', minute, 'UTC') AS hour, flow_name, sum(enqueued + claimed + completed + failed + retried
        + snoozed + released + rescued + crashed + cancelled + reset + refused + purged) AS counted
    FROM public.rollup_minutes WHERE minute >= (SELECT since FROM kept)
        -- The planner cannot estimate `since`, but it can estimate this second bound.
        AND minute >= now() - CASE WHEN %(at_a_glance)s THEN interval '5 hours' ELSE interval '200 years' END
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
FROM by_minute m FULL JOIN by_hour h USING (hour, flow_name) AS both_counts
WHERE coalesce(m.counted, 0) <> coalesce(h.counted, 0) AND hour = date_trunc('hour', hour, 'UTC')
    AND NOT EXISTS (
        SELECT FROM public.rollup_hours o WHERE o.flow_name = both_counts.flow_name AND o.hour <> date_trunc('hour', o.hour, 'UTC')
            AND o.hour > both_counts.hour - interval '1 hour' AND o.hour < both_counts.hour + interval '1 hour')
LIMIT 100
