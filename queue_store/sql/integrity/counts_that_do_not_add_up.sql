-- Flows whose live records are not what the total less the finished ones leaves over: a status was changed past the
-- arrows. Flows with more live records than the limit are left to the nightly recount. Counting begins with the newest:
-- before the oldest lie the entries of all that was claimed since the last vacuum.
WITH counted AS MATERIALIZED (
    SELECT t.flow_name, sum(t.live) AS live FROM (
        SELECT flow_name, total - completed - failed - cancelled AS live FROM rollup_totals
        UNION ALL
        SELECT flow_name, enqueued - purged - completed - completed_adjusted - failed + reset - failed_adjusted
            - cancelled - cancelled_adjusted
        FROM rollup_deltas WHERE id > (SELECT folded_through_id FROM rollup_progress)) t
    GROUP BY t.flow_name
), live AS (
    SELECT c.flow_name, c.live, actual.live AS actual_live
    FROM counted c CROSS JOIN LATERAL (
        SELECT count(*) AS live FROM (
            (SELECT FROM processing_queue q WHERE q.status = 'pending' AND q.flow_name = c.flow_name
                ORDER BY q.priority DESC, q.scheduled_at DESC, q.id DESC LIMIT %(limit)s)
            UNION ALL
            (SELECT FROM processing_queue q WHERE q.status = 'processing' AND q.flow_name = c.flow_name
                ORDER BY q.flow_instance_id, q.id LIMIT %(limit)s)
        ) capped) actual
)
SELECT format('flow %%s has %%s live records, its counts say %%s', flow_name, actual_live, live) AS problem,
    NULL::bigint AS record_id
FROM live
WHERE actual_live <> live AND actual_live < %(limit)s
