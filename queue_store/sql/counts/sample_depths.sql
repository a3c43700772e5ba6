-- Stores the depth of the queue by flow, at most once a minute. Counts of pending records stop at the limit. Beyond the
-- limit, the number of pending records is computed from the totals. A record counts as waiting if it is due, its flow
-- is registered and not paused, and processing is not stopped. Counting begins with the newest records. A scan from the
-- oldest would first read the dead index entries of all records that were claimed since the last vacuum. The subquery
-- `names` adds rows up instead of joining tables. The planner expects few names, so a join could become a nested loop
-- over all pairs of names. The subquery `level` steps through the priorities of a flow's pending records. The records
-- of an express slice count as processing, and not as pending.
WITH live AS MATERIALIZED (
    SELECT t.flow_name, sum(t.live) AS live FROM (
        SELECT flow_name, total - completed - failed - cancelled AS live FROM public.rollup_totals
        UNION ALL
        SELECT flow_name, enqueued - purged - completed - completed_adjusted - failed + reset - failed_adjusted
            - cancelled - cancelled_adjusted
        FROM public.rollup_deltas WHERE id > (SELECT folded_through_id FROM public.rollup_progress)) t
    GROUP BY t.flow_name
), processing AS MATERIALIZED (
    SELECT flow_name, processing FROM public.processing_counts(1000 * %(limit)s::bigint)
), held AS MATERIALIZED (
    SELECT flow_name, sum(records_held) AS held FROM public.flow_execution_logs
    WHERE state IN ('running', 'stopping') AND records_held > 0 AND heartbeat_at > now() - interval '5 seconds'
    GROUP BY flow_name
), names AS MATERIALIZED (
    SELECT t.flow_name, sum(t.live) AS live, sum(t.processing)::bigint AS processing, sum(t.held)::bigint AS held FROM (
        SELECT flow_name, live, 0 AS processing, 0 AS held FROM live
        UNION ALL SELECT flow_name, 0, processing, 0 FROM processing
        UNION ALL SELECT flow_name, 0, 0, held FROM held
        UNION ALL SELECT flow_name, 0, 0, 0 FROM public.flows) t
    GROUP BY t.flow_name
)
INSERT INTO public.depth_minutes (minute, flow_name, pending, processing, is_approximate, oldest_due_seconds, waiting)
SELECT date_trunc('minute', now()), n.flow_name,
    CASE WHEN waiting.counted < %(limit)s THEN greatest(waiting.counted - n.held, 0)
        ELSE greatest(n.live - n.processing, waiting.counted - n.held) END,
    n.processing, waiting.counted >= %(limit)s,
    extract(epoch FROM now() - due.oldest_at),
    CASE WHEN f.flow_name IS NOT NULL AND f.paused_at IS NULL AND control.processing_stopped_at IS NULL
        THEN greatest(due.counted - n.held, 0)
        ELSE 0 END
FROM names n
LEFT JOIN public.flows f USING (flow_name)
CROSS JOIN public.queue_control control
CROSS JOIN LATERAL (
    SELECT count(*) AS counted FROM (
        SELECT FROM public.processing_queue q WHERE q.status = 'pending' AND q.flow_name = n.flow_name
        ORDER BY q.priority DESC, q.scheduled_at DESC, q.id DESC LIMIT %(limit)s) capped) waiting
CROSS JOIN LATERAL (
    WITH RECURSIVE level AS (
        (SELECT q.priority FROM public.processing_queue q
        WHERE q.status = 'pending' AND q.flow_name = n.flow_name
        ORDER BY q.priority DESC, q.scheduled_at DESC, q.id DESC LIMIT 1)
        UNION ALL
        SELECT lower.priority FROM level
        CROSS JOIN LATERAL (
            SELECT q.priority FROM public.processing_queue q
            WHERE q.status = 'pending' AND q.flow_name = n.flow_name AND q.priority < level.priority
            ORDER BY q.priority DESC, q.scheduled_at DESC, q.id DESC LIMIT 1) lower)
    SELECT (
        SELECT count(*) FROM (
            SELECT FROM level CROSS JOIN LATERAL (
                SELECT FROM public.processing_queue q
                WHERE q.status = 'pending' AND q.flow_name = n.flow_name AND q.priority = level.priority
                    AND q.scheduled_at <= now()
                ORDER BY q.scheduled_at DESC, q.id DESC LIMIT %(limit)s) of_level LIMIT %(limit)s) capped) AS counted,
    (
        SELECT min(first.scheduled_at) FROM level CROSS JOIN LATERAL (
            SELECT q.scheduled_at FROM public.processing_queue q
            WHERE q.status = 'pending' AND q.flow_name = n.flow_name AND q.priority = level.priority
                AND q.scheduled_at <= now()
            ORDER BY q.scheduled_at, q.id LIMIT 1) first) AS oldest_at
) due
ORDER BY n.flow_name
ON CONFLICT (minute, flow_name) DO NOTHING
