-- The most frequent errors since the beginning of the hour in which the window begins. The statement adds up the folded
-- counts and the deltas that are not folded yet, so all attempts count. If `flow_name` is NULL, the errors of all flows
-- count.
WITH span AS MATERIALIZED (
    SELECT date_trunc('hour', now() - make_interval(secs => %(seconds)s), 'UTC') AS since
), happened AS (
    SELECT h.flow_name, h.error_group, h.exception_type, h.error_message, h.error_count, h.failed_count, h.record_count,
        h.first_at, h.last_at
    FROM public.error_hours h, span
    WHERE h.hour >= span.since AND (%(flow_name)s::text IS NULL OR h.flow_name = %(flow_name)s)
    UNION ALL
    SELECT d.flow_name, e.key, e.value ->> 3, e.value ->> 4, (e.value ->> 0)::bigint, (e.value ->> 1)::bigint,
        (e.value ->> 2)::bigint, d.at, d.at
    FROM public.rollup_deltas d CROSS JOIN LATERAL jsonb_each(d.errors) e, span
    WHERE d.errors IS NOT NULL AND d.id > (SELECT folded_through_id FROM public.rollup_progress) AND d.at >= span.since
        AND (%(flow_name)s::text IS NULL OR d.flow_name = %(flow_name)s)
), kinds AS (
    SELECT error_group, max(last_at) AS last_at, min(first_at) AS first_at, sum(error_count)::bigint AS error_count,
        sum(failed_count)::bigint AS failed_count, sum(record_count)::bigint AS record_count,
        array_agg(DISTINCT flow_name ORDER BY flow_name) AS flow_names
    FROM happened GROUP BY error_group
    ORDER BY error_count DESC, error_group
    LIMIT %(groups)s
)
SELECT k.error_group, newest.error_message, newest.exception_type, k.error_count, k.failed_count, k.record_count,
    k.flow_names, k.first_at, k.last_at, false AS is_capped, span.since AS counted_since
FROM kinds k CROSS JOIN span CROSS JOIN LATERAL (
    SELECT error_message, exception_type FROM happened h
    WHERE h.error_group = k.error_group ORDER BY h.last_at DESC, h.error_message LIMIT 1) newest
ORDER BY k.error_count DESC, k.error_group
