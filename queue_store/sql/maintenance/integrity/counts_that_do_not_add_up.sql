-- Flows whose unfinished and finished records do not add up to their total. In such a flow somebody changed a
-- status without an arrow. Flows whose counts are lost or below zero are returned, too. Flows whose number of pending
-- records reaches the limit are left to the nightly recount. If the number of processing records reaches ten times the
-- limit, this check leaves all flows to the nightly recount. With `at_a_glance`, flows with a busy run are left out,
-- too. Counting begins with the newest records, because the oldest records lie behind the dead index entries of all
-- records that were claimed since the last vacuum.
WITH seen AS MATERIALIZED ( -- the flows of the newest records, even flows whose counts are lost
    SELECT DISTINCT flow_name::text FROM (
        SELECT flow_name FROM public.processing_queue ORDER BY id DESC
        LIMIT CASE WHEN %(at_a_glance)s THEN 20 ELSE %(limit)s::bigint END) newest
), counted AS MATERIALIZED (
    SELECT t.flow_name, sum(t.live) AS live, bool_and(t.is_seen) AS is_lost,
        least(sum(t.completed), sum(t.failed), sum(t.cancelled)) < 0 AS is_impossible
    FROM (
        SELECT flow_name, total - completed - failed - cancelled AS live, completed, failed, cancelled,
            false AS is_seen
        FROM public.rollup_totals
        UNION ALL
        SELECT flow_name, enqueued - purged - completed - completed_adjusted - failed + reset - failed_adjusted
            - cancelled - cancelled_adjusted, completed + completed_adjusted,
            failed - reset + failed_adjusted, cancelled + cancelled_adjusted, false
        FROM public.rollup_deltas WHERE id > (SELECT folded_through_id FROM public.rollup_progress)
        UNION ALL
        SELECT flow_name, 0, 0, 0, 0, true FROM seen) t
    GROUP BY t.flow_name
), busy AS MATERIALIZED (
    SELECT flow_instance_id, flow_name FROM public.busy_runs() WHERE %(at_a_glance)s
), processing AS MATERIALIZED ( -- one scan for all flows
    SELECT q.flow_name, count(*) AS processing
    FROM public.processing_but_of_runs(ARRAY(SELECT flow_instance_id FROM busy), 10 * %(limit)s::bigint) q
    GROUP BY q.flow_name
), live AS (
    SELECT c.flow_name, c.live, c.is_lost, c.is_impossible, pending.pending + coalesce(p.processing, 0) AS actual_live,
        pending.pending < %(limit)s AND (SELECT coalesce(sum(processing), 0) FROM processing) < 10 * %(limit)s::bigint
            AND c.flow_name NOT IN (SELECT flow_name FROM busy) AS is_exact
    FROM counted c
    LEFT JOIN processing p USING (flow_name)
    CROSS JOIN LATERAL (
        SELECT count(*) AS pending FROM (
            SELECT FROM public.processing_queue q WHERE q.status = 'pending' AND q.flow_name = c.flow_name
            ORDER BY q.priority DESC, q.scheduled_at DESC, q.id DESC LIMIT %(limit)s) capped) pending
)
SELECT format('flow %%s has %%s unfinished records, but its counts say %%s', flow_name, actual_live, live) AS problem,
    NULL::bigint AS record_id
FROM live
WHERE is_exact AND actual_live <> live
UNION ALL
SELECT format('flow %%s has records, but its counts are lost', flow_name), NULL FROM live
WHERE is_lost AND NOT (is_exact AND actual_live <> live)
UNION ALL
SELECT format('flow %%s has counts below zero', flow_name), NULL FROM live
WHERE is_impossible AND NOT (is_exact AND actual_live <> live)
