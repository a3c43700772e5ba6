-- Counts what happened in each flow in the last `seconds` seconds. The window begins at a whole minute, so it is up to
-- a minute longer than `seconds`. `covered_seconds` is its real length, by the clock of this server. The statement
-- reads minutes up to the first full hour, hours from there on, and the deltas that are not folded yet. If `flow_names`
-- is NULL, all flows are returned. With a thousand flows, the histograms take the most time, so they are added up only
-- on demand (`with_histograms`). The bounds of the window are repeated wherever they are used. If the bounds came from
-- a CTE, the planner could not tell that the window is short, and would read every minute that is kept.
WITH happened AS (
    SELECT m.flow_name, enqueued, claimed, completed, failed, retried, snoozed, released, rescued, crashed, cancelled,
        refused, purged, processing_seconds, wait_seconds,
        CASE WHEN %(with_histograms)s THEN processing_histogram END AS p,
        CASE WHEN %(with_histograms)s THEN wait_histogram END AS w
    FROM public.rollup_minutes m
    WHERE m.minute >= date_trunc('minute', now() - make_interval(secs => %(seconds)s))
        AND m.minute < date_trunc('hour', now() - make_interval(secs => %(seconds)s), 'UTC') + interval '1 hour'
        AND (%(flow_names)s::text[] IS NULL OR m.flow_name = ANY(%(flow_names)s))
    UNION ALL
    SELECT h.flow_name, enqueued, claimed, completed, failed, retried, snoozed, released, rescued, crashed, cancelled,
        refused, purged, processing_seconds, wait_seconds,
        CASE WHEN %(with_histograms)s THEN processing_histogram END AS p,
        CASE WHEN %(with_histograms)s THEN wait_histogram END AS w
    FROM public.rollup_hours h
    WHERE h.hour >= date_trunc('hour', now() - make_interval(secs => %(seconds)s), 'UTC') + interval '1 hour'
        AND (%(flow_names)s::text[] IS NULL OR h.flow_name = ANY(%(flow_names)s))
    UNION ALL
    SELECT d.flow_name, enqueued, claimed, completed, failed, retried, snoozed, released, rescued, crashed, cancelled,
        refused, purged, processing_seconds, wait_seconds,
        CASE WHEN %(with_histograms)s THEN processing_histogram END AS p,
        CASE WHEN %(with_histograms)s THEN wait_histogram END AS w
    FROM public.rollup_deltas d
    WHERE d.id > (SELECT folded_through_id FROM public.rollup_progress)
        AND d.at >= date_trunc('minute', now() - make_interval(secs => %(seconds)s))
        AND (%(flow_names)s::text[] IS NULL OR d.flow_name = ANY(%(flow_names)s))
)
SELECT %(seconds)s::float8 AS seconds,
    extract(epoch FROM now() - date_trunc('minute', now() - make_interval(secs => %(seconds)s)))::float8
        AS covered_seconds,
    h.flow_name, sum(enqueued)::bigint AS enqueued,
    sum(claimed)::bigint AS claimed, sum(completed)::bigint AS completed, sum(failed)::bigint AS failed,
    sum(retried)::bigint AS retried, sum(snoozed)::bigint AS snoozed, sum(released)::bigint AS released,
    sum(rescued)::bigint AS rescued, sum(crashed)::bigint AS crashed,
    sum(cancelled)::bigint AS cancelled, sum(refused)::bigint AS refused, sum(purged)::bigint AS purged,
    -- Adds up the histograms position by position, because `unnest` on the histograms of a month takes many times as
    -- long.
    sum(processing_seconds) AS processing_seconds, CASE WHEN sum(cardinality(p)) > 0 THEN array_replace(ARRAY[
            sum(p[1]), sum(p[2]), sum(p[3]), sum(p[4]), sum(p[5]), sum(p[6]), sum(p[7]), sum(p[8]), sum(p[9]),
            sum(p[10]), sum(p[11]), sum(p[12]), sum(p[13]), sum(p[14]), sum(p[15]), sum(p[16]), sum(p[17]), sum(p[18])
        ]::bigint[], NULL, 0) ELSE '{}' END AS processing_histogram,
    sum(wait_seconds) AS wait_seconds, CASE WHEN sum(cardinality(w)) > 0 THEN array_replace(ARRAY[
            sum(w[1]), sum(w[2]), sum(w[3]), sum(w[4]), sum(w[5]), sum(w[6]), sum(w[7]), sum(w[8]), sum(w[9]),
            sum(w[10]), sum(w[11]), sum(w[12]), sum(w[13]), sum(w[14]), sum(w[15]), sum(w[16]), sum(w[17]), sum(w[18])
        ]::bigint[], NULL, 0) ELSE '{}' END AS wait_histogram
FROM happened h
GROUP BY h.flow_name
ORDER BY h.flow_name
