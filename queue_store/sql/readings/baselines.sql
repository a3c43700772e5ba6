-- The usual values of each flow in the current hour of the week.
SELECT flow_name, outcomes_per_hour, success_rate_percent, processing_seconds, week_count
FROM public.baselines
WHERE hour_of_week = (extract(isodow FROM now() AT TIME ZONE 'UTC')::integer - 1) * 24
    + extract(hour FROM now() AT TIME ZONE 'UTC')::integer
ORDER BY flow_name
