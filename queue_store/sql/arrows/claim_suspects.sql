-- claim: pending → processing, of records that are suspected of killing their process. All records of a claim have
-- the same `batch_limit`, and the batch is no larger than this limit. As long as it is unknown which record kills the
-- process, each crash halves this limit (arrows/rescue.sql).
WITH open AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared(%(session_lock)s) FROM public.flow_execution_logs run
    JOIN public.flows f ON f.flow_name = run.flow_name AND f.paused_at IS NULL
    JOIN public.queue_control c ON c.processing_stopped_at IS NULL
    WHERE run.flow_instance_id = %(flow_instance_id)s AND run.state = 'running'
    FOR SHARE OF run
), first AS MATERIALIZED (
    SELECT q.batch_limit FROM public.unblocked_records q
    WHERE q.status = 'pending' AND q.batch_limit IS NOT NULL AND q.flow_name = %(flow_name)s
        AND q.scheduled_at <= now()
    ORDER BY q.batch_limit DESC, q.id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
), candidate AS MATERIALIZED (
    SELECT q.id FROM public.unblocked_records q
    WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s
        AND q.batch_limit = (SELECT batch_limit FROM first)
        AND q.scheduled_at <= now()
        AND EXISTS (SELECT FROM open)
    ORDER BY q.id
    LIMIT least(%(batch_size)s, (SELECT batch_limit FROM first))
    FOR NO KEY UPDATE SKIP LOCKED
), claimed AS (
    UPDATE public.processing_queue q
    SET status = 'processing', claimed_at = clock_timestamp(), updated_at = clock_timestamp(),
        flow_instance_id = %(flow_instance_id)s, claim_number = q.claim_number + 1
    WHERE q.id = ANY(ARRAY(SELECT id FROM candidate)) AND public.unindexed(q.status) = 'pending'
    RETURNING q.id, q.claim_number, q.payload, q.priority, q.scheduled_at, q.retry_count, q.crash_strikes,
        q.created_at, q.claimed_at, q.order_key, q.correlation_id, q.trace_context
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, claimed)
    SELECT %(flow_name)s, count(*) FROM claimed HAVING count(*) > 0
)
SELECT * FROM claimed ORDER BY priority, scheduled_at, id
