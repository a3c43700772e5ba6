-- Flows whose totals do not match the records in the table. Scans the whole table, as the nightly recount does.
WITH counted AS MATERIALIZED (
    SELECT flow_name::text, count(*) AS total, count(*) FILTER (WHERE status = 'completed') AS completed,
        count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE status = 'cancelled') AS cancelled
    FROM public.processing_queue GROUP BY flow_name
), said AS MATERIALIZED (
    SELECT t.flow_name, sum(t.total) AS total, sum(t.completed) AS completed, sum(t.failed) AS failed,
        sum(t.cancelled) AS cancelled
    FROM (
        SELECT flow_name, total, completed, failed, cancelled FROM public.rollup_totals
        UNION ALL
        SELECT flow_name, enqueued - purged, completed + completed_adjusted, failed - reset + failed_adjusted,
            cancelled + cancelled_adjusted
        FROM public.rollup_deltas WHERE id > (SELECT folded_through_id FROM public.rollup_progress)) t
    GROUP BY t.flow_name
)
SELECT format('flow %%s: %%s records, %%s completed, %%s failed, %%s cancelled; its totals say %%s, %%s, %%s, %%s', flow_name,
        coalesce(c.total, 0), coalesce(c.completed, 0), coalesce(c.failed, 0), coalesce(c.cancelled, 0),
        coalesce(s.total, 0), coalesce(s.completed, 0), coalesce(s.failed, 0), coalesce(s.cancelled, 0)) AS problem,
    NULL::bigint AS record_id
FROM counted c FULL JOIN said s USING (flow_name)
WHERE (coalesce(c.total, 0), coalesce(c.completed, 0), coalesce(c.failed, 0), coalesce(c.cancelled, 0))
    <> (coalesce(s.total, 0), coalesce(s.completed, 0), coalesce(s.failed, 0), coalesce(s.cancelled, 0))
LIMIT 100
