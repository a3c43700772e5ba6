-- Learns what is usual from the full hours of the last weeks. An hour in which a flow did nothing counts when the
-- flow did something that week.
WITH hour_counts AS (
    SELECT flow_name, hour, completed + failed AS outcomes, completed, processing_seconds, completed + failed + retried AS attempts
    FROM rollup_hours
    WHERE hour >= date_trunc('hour', now()) - make_interval(weeks => %(weeks)s) AND hour < date_trunc('hour', now())
), by_hour_of_week AS (
    SELECT flow_name,
        (extract(isodow FROM hour AT TIME ZONE 'UTC')::integer - 1) * 24
            + extract(hour FROM hour AT TIME ZONE 'UTC')::integer AS hour_of_week,
        avg(outcomes) AS outcomes_per_hour,
        100.0 * sum(completed) / nullif(sum(outcomes), 0) AS success_rate_percent,
        sum(processing_seconds) / nullif(sum(attempts), 0) AS processing_seconds,
        count(*) AS week_count
    FROM hour_counts GROUP BY 1, 2
)
INSERT INTO baselines AS b (flow_name, hour_of_week, outcomes_per_hour, success_rate_percent, processing_seconds, week_count)
SELECT flow_name, hour_of_week, outcomes_per_hour, success_rate_percent, processing_seconds, week_count
FROM by_hour_of_week ORDER BY 1, 2
ON CONFLICT (flow_name, hour_of_week) DO UPDATE SET outcomes_per_hour = excluded.outcomes_per_hour,
    success_rate_percent = excluded.success_rate_percent, processing_seconds = excluded.processing_seconds,
    week_count = excluded.week_count, updated_at = clock_timestamp()
