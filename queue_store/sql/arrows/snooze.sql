-- snooze: processing → pending at a later time, at the handler's request; no attempt is charged. A record that was
-- asked to stop becomes cancelled instead. Returns the accepted ids with their new status.
WITH outcome AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::bigint[], %(claim_numbers)s::integer[], %(delays)s::float8[])
        AS o(id, claim_number, delay)
), owned AS MATERIALIZED (
    SELECT q.id, o.delay, EXISTS (SELECT FROM public.cancel_requests c WHERE c.record_id = q.id) AS cancelled
    FROM public.processing_queue q JOIN outcome o ON q.id = ANY(ARRAY[o.id]) AND o.claim_number = q.claim_number
    WHERE q.flow_instance_id = %(flow_instance_id)s AND public.unindexed(q.status) = 'processing'
    ORDER BY o.id
    FOR NO KEY UPDATE OF q
), written AS (
    UPDATE public.processing_queue q
    SET status = CASE WHEN owned.cancelled THEN 'cancelled' ELSE 'pending' END, updated_at = clock_timestamp(),
        batch_limit = NULL, unfinished_claims = 0,
        claimed_at = CASE WHEN owned.cancelled THEN q.claimed_at END,
        flow_instance_id = CASE WHEN owned.cancelled THEN q.flow_instance_id END,
        scheduled_at = clock_timestamp() + make_interval(secs => owned.delay)
    FROM owned
    WHERE q.id = ANY(ARRAY[owned.id])
    RETURNING q.id, q.status
), answered AS (
    DELETE FROM public.cancel_requests c USING written w WHERE c.record_id = w.id AND w.status = 'cancelled'
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, snoozed, cancelled, refused)
    SELECT %(flow_name)s, count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'cancelled'),
        cardinality(%(ids)s::bigint[]) - count(*)
    FROM written
)
SELECT id, status FROM written
