-- cancel, by an operator or a producer: pending → cancelled at once; a processing record is asked to stop. A pending
-- record that is locked, for example by an express slice, is also asked to stop. This statement never waits for a
-- handler, because that handler may be the caller. With `pending_only`, no record is asked to stop. Returns the id of
-- each record that was cancelled or asked, and what happened: 'cancelled' or 'asked'.
WITH live AS MATERIALIZED (
    SELECT q.id, q.status, q.flow_name FROM public.processing_queue q
    WHERE q.id = ANY(%(ids)s::bigint[]) AND q.status IN ('pending', 'processing')
    ORDER BY q.id
), pending AS MATERIALIZED (
    SELECT q.id FROM public.processing_queue q
    WHERE q.id = ANY(ARRAY(SELECT id FROM live WHERE status = 'pending')) AND public.unindexed(q.status) = 'pending'
    ORDER BY q.id
    FOR NO KEY UPDATE SKIP LOCKED
), cancelled AS (
    UPDATE public.processing_queue q SET status = 'cancelled', batch_limit = NULL, updated_at = clock_timestamp()
    WHERE q.id = ANY(ARRAY(SELECT id FROM pending))
    RETURNING q.id, q.flow_name
), asked AS (
    INSERT INTO public.cancel_requests (record_id, requested_by, reason)
    SELECT id, %(actor)s, %(reason)s FROM live WHERE NOT %(pending_only)s::boolean AND id NOT IN (SELECT id FROM cancelled)
    ON CONFLICT (record_id) DO NOTHING  -- keeps the first requester's name; never waits for a row lock
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, cancelled)
    SELECT flow_name, count(*) FROM cancelled GROUP BY flow_name
)
SELECT id, 'cancelled' AS what FROM cancelled
UNION ALL SELECT id, 'asked' FROM live WHERE NOT %(pending_only)s::boolean AND id NOT IN (SELECT id FROM cancelled)
