-- Learns each flow's usual values from the full hours of the last few weeks. For each flow, learning starts with the
-- first hour in which one of its records was completed or failed. An hour in which no record of the flow was completed
-- or failed counts only if there was such a record in another hour of the same week. A week is seven days long, and the
-- last week ends with the last full hour. A flow's baseline for an hour of the week is deleted if, in all these weeks,
-- no record of the flow was completed or failed in that hour.
WITH hour_counts AS MATERIALIZED (
    SELECT flow_name, hour, completed, completed + failed AS outcomes, completed + failed + retried AS attempts,
        processing_seconds, (extract(epoch FROM date_trunc('hour', now(), 'UTC') - hour)::bigint - 1) / 604800 AS weeks_ago
    FROM public.rollup_hours
    WHERE hour >= date_trunc('hour', now(), 'UTC') - make_interval(hours => 168 * %(weeks)s::integer) AND hour < date_trunc('hour', now(), 'UTC')
), lived AS MATERIALIZED (
    SELECT flow_name, weeks_ago, min(min(hour)) OVER (PARTITION BY flow_name) AS first_hour
    FROM hour_counts WHERE outcomes > 0 GROUP BY flow_name, weeks_ago
), slots AS (
    SELECT l.flow_name, slot.hour,
        (extract(isodow FROM slot.hour AT TIME ZONE 'UTC')::integer - 1) * 24
            + extract(hour FROM slot.hour AT TIME ZONE 'UTC')::integer AS hour_of_week
    FROM lived l
    CROSS JOIN LATERAL (
        SELECT date_trunc('hour', now(), 'UTC') - make_interval(hours => 168 * l.weeks_ago::integer + n) AS hour
        FROM generate_series(1, 168) AS n) slot
    WHERE slot.hour >= l.first_hour
), by_hour_of_week AS MATERIALIZED (
    SELECT s.flow_name, s.hour_of_week, avg(coalesce(c.outcomes, 0)) AS outcomes_per_hour,
        100.0 * sum(c.completed) / nullif(sum(c.outcomes), 0) AS success_rate_percent,
        sum(c.processing_seconds) / nullif(sum(c.attempts), 0) AS processing_seconds, count(*) AS week_count
    FROM slots s LEFT JOIN hour_counts c USING (flow_name, hour)
    GROUP BY s.flow_name, s.hour_of_week
    HAVING sum(c.outcomes) > 0
), forgotten AS (
    DELETE FROM public.baselines b
    WHERE NOT EXISTS (
        SELECT FROM by_hour_of_week n WHERE n.flow_name = b.flow_name AND n.hour_of_week = b.hour_of_week)
)
INSERT INTO public.baselines AS b (flow_name, hour_of_week, outcomes_per_hour, success_rate_percent, processing_seconds, week_count)
SELECT flow_name, hour_of_week, outcomes_per_hour, success_rate_percent, processing_seconds, week_count
FROM by_hour_of_week ORDER BY 1, 2
ON CONFLICT (flow_name, hour_of_week) DO UPDATE SET outcomes_per_hour = excluded.outcomes_per_hour,
    success_rate_percent = excluded.success_rate_percent, processing_seconds = excluded.processing_seconds,
    week_count = excluded.week_count, updated_at = clock_timestamp()
