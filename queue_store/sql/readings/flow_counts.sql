-- The number of records by status, for each flow or for one (`flow_name`). The counts of finished records and the total
-- are exact: they are the folded totals plus the deltas not folded yet. Unfinished records are counted in their partial
-- indexes up to a limit. Beyond the limit, their number is computed from the total. If there are more than ten flows,
-- they share ten times the limit, but each flow gets at least a tenth of the limit. So a thousand flows cost ten times
-- as much as ten flows, not a hundred times. For busy runs, the number of processing records comes from their last
-- heartbeats (processing_counts). The records of an express slice count as processing, not as pending. Every LIMIT on
-- processing_queue follows an ORDER BY that fits an index: otherwise the planner may read millions of finished rows.
-- Counting begins with the newest records. To reach the oldest, it would first have to read the dead index entries of
-- all records that were claimed since the last vacuum. The subquery `level` steps through the priorities at which a
-- flow has pending records. Most flows have pending records at only one of the ten priorities. A name is left out if no
-- flow has this name, and no record has it any more. The subquery `names` adds rows up instead of joining tables. The
-- planner expects few names, so a join could become a nested loop over all pairs of names.
WITH counted AS MATERIALIZED (
    SELECT t.flow_name, sum(t.total)::bigint AS total, sum(t.completed)::bigint AS completed,
        sum(t.failed)::bigint AS failed, sum(t.cancelled)::bigint AS cancelled
    FROM (
        SELECT flow_name, total, completed, failed, cancelled FROM public.rollup_totals
        UNION ALL
        SELECT flow_name, enqueued - purged, completed + completed_adjusted, failed - reset + failed_adjusted,
            cancelled + cancelled_adjusted
        FROM public.rollup_deltas WHERE id > (SELECT folded_through_id FROM public.rollup_progress)) t
    GROUP BY t.flow_name
), processing AS MATERIALIZED (
    SELECT flow_name, processing FROM public.processing_counts(10 * %(limit)s::bigint)
), held AS MATERIALIZED (
    SELECT flow_name, sum(records_held) AS held FROM public.flow_execution_logs
    WHERE state IN ('running', 'stopping') AND records_held > 0 AND heartbeat_at > now() - interval '5 seconds'
    GROUP BY flow_name
), names AS MATERIALIZED (
    SELECT t.flow_name, sum(t.total)::bigint AS total, sum(t.completed)::bigint AS completed,
        sum(t.failed)::bigint AS failed, sum(t.cancelled)::bigint AS cancelled, sum(t.processing)::bigint AS processing,
        sum(t.held)::bigint AS held
    FROM (
        SELECT flow_name, total, completed, failed, cancelled, 0 AS processing, 0 AS held FROM counted
        UNION ALL SELECT flow_name, 0, 0, 0, 0, processing, 0 FROM processing
        UNION ALL SELECT flow_name, 0, 0, 0, 0, 0, held FROM held
        UNION ALL SELECT flow_name, 0, 0, 0, 0, 0, 0 FROM public.flows) t
    WHERE %(flow_name)s::text IS NULL OR t.flow_name = %(flow_name)s
    GROUP BY t.flow_name
), share AS MATERIALIZED (
    SELECT greatest(least(%(limit)s::bigint, 10 * %(limit)s::bigint / greatest(count(*), 1)), %(limit)s::bigint / 10, 1)
        AS of_each
    FROM names
), live AS MATERIALIZED (
    SELECT n.flow_name, n.total, n.processing, n.completed, n.failed, n.cancelled, waiting.due,
        waiting.due - least(n.held, waiting.due) AS free, waiting.oldest_due_at, waiting.future
    FROM names n
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
                    ORDER BY q.scheduled_at DESC, q.id DESC LIMIT (SELECT of_each FROM share)) of_level
                LIMIT (SELECT of_each FROM share)) capped) AS due,
        (
            SELECT min(first.scheduled_at) FROM level CROSS JOIN LATERAL (
                SELECT q.scheduled_at FROM public.processing_queue q
                WHERE q.status = 'pending' AND q.flow_name = n.flow_name AND q.priority = level.priority
                    AND q.scheduled_at <= now()
                ORDER BY q.scheduled_at, q.id LIMIT 1) first) AS oldest_due_at,
        (
            SELECT count(*) FROM (
                SELECT FROM level CROSS JOIN LATERAL (
                    SELECT FROM public.processing_queue q
                    WHERE q.status = 'pending' AND q.flow_name = n.flow_name AND q.priority = level.priority
                        AND q.scheduled_at > now()
                    ORDER BY q.scheduled_at, q.id LIMIT (SELECT of_each FROM share)) of_level
                LIMIT (SELECT of_each FROM share)) capped) AS future
    ) waiting
), shown AS (
    SELECT l.*, share.of_each, l.due >= share.of_each OR l.future >= share.of_each AS is_approximate,
        CASE WHEN l.due < share.of_each AND l.future < share.of_each THEN l.free + l.future
            ELSE greatest(l.total - l.completed - l.failed - l.cancelled - l.processing, l.free + l.future)
            END AS all_pending
    FROM live l CROSS JOIN share
)
SELECT s.flow_name, s.total, s.all_pending AS pending,
    -- Both counts stop at a limit. If only the count of due records has reached the limit, their number is computed:
    -- all pending records minus those that are not due yet.
    CASE WHEN s.due >= s.of_each AND s.future < s.of_each THEN greatest(s.all_pending - s.future, s.free)
        ELSE least(s.free, s.all_pending) END AS due,
    s.processing, s.completed, s.failed, s.cancelled, s.is_approximate,
    extract(epoch FROM now() - s.oldest_due_at)::float8 AS oldest_due_seconds,
    f.paused_at IS NOT NULL OR control.processing_stopped_at IS NOT NULL AS is_stopped,
    f.flow_name IS NOT NULL AS is_registered,
    coalesce(f.batch_size_override, f.batch_size) AS batch_size
FROM shown s
LEFT JOIN public.flows f USING (flow_name)
CROSS JOIN public.queue_control control
WHERE f.flow_name IS NOT NULL OR s.total <> 0 OR s.all_pending <> 0 OR s.processing <> 0
ORDER BY s.flow_name
