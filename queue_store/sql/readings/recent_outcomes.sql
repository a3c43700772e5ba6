-- How many records of each named flow have completed or failed in the flow's window. The windows can differ in
-- length (`seconds`). A window begins at a whole minute, so it may be up to a minute longer than `seconds`.
WITH wanted AS MATERIALIZED (
    SELECT w.flow_name, w.seconds, date_trunc('minute', now() - make_interval(secs => w.seconds)) AS since
    FROM unnest(%(flow_names)s::text[], %(seconds)s::float8[]) AS w(flow_name, seconds)
), happened AS (
    SELECT m.flow_name, m.completed + m.failed AS outcomes
    FROM public.rollup_minutes m
    JOIN wanted w ON w.flow_name = m.flow_name AND m.minute >= w.since
    WHERE m.minute >= (SELECT min(since) FROM wanted)
    UNION ALL
    SELECT d.flow_name, d.completed + d.failed
    FROM public.rollup_deltas d
    JOIN wanted w ON w.flow_name = d.flow_name AND d.at >= w.since
    WHERE d.id > (SELECT folded_through_id FROM public.rollup_progress)
), counted AS MATERIALIZED (
    SELECT flow_name, sum(outcomes)::bigint AS outcomes FROM happened GROUP BY flow_name
)
SELECT w.flow_name, w.seconds, coalesce(c.outcomes, 0) AS outcomes
FROM wanted w
LEFT JOIN counted c USING (flow_name)
