-- release: processing → pending, for records whose handlers this run did not call; no attempt is charged. If somebody
-- has asked to cancel a record, the record becomes cancelled instead of pending. Returns the accepted ids with their
-- new status.
WITH owned AS MATERIALIZED (
    SELECT q.id, EXISTS (SELECT FROM public.cancel_requests c WHERE c.record_id = q.id) AS cancelled
    FROM public.processing_queue q
    JOIN unnest(%(ids)s::bigint[], %(claim_numbers)s::integer[]) AS o(id, claim_number)
        ON q.id = ANY(ARRAY[o.id]) AND o.claim_number = q.claim_number
    WHERE q.flow_instance_id = %(flow_instance_id)s AND public.unindexed(q.status) = 'processing'
    ORDER BY o.id
    FOR NO KEY UPDATE OF q
), written AS (
    UPDATE public.processing_queue q
    SET status = CASE WHEN owned.cancelled THEN 'cancelled' ELSE 'pending' END, updated_at = clock_timestamp(),
        claimed_at = CASE WHEN owned.cancelled THEN q.claimed_at END,
        flow_instance_id = CASE WHEN owned.cancelled THEN q.flow_instance_id END
    FROM owned
    WHERE q.id = ANY(ARRAY[owned.id])
    RETURNING q.id, q.status
), answered AS (
    DELETE FROM public.cancel_requests c USING written w WHERE c.record_id = w.id AND w.status = 'cancelled'
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, released, cancelled, refused)
    SELECT %(flow_name)s, count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'cancelled'),
        cardinality(%(ids)s::bigint[]) - count(*)
    FROM written
)
SELECT id, status FROM written
