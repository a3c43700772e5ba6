-- cancel: processing → cancelled, by the owner of a record that was asked to stop. Returns the accepted ids.
WITH owned AS MATERIALIZED (
    SELECT q.id
    FROM public.processing_queue q
    JOIN unnest(%(ids)s::bigint[], %(claim_numbers)s::integer[]) AS o(id, claim_number)
        ON q.id = ANY(ARRAY[o.id]) AND o.claim_number = q.claim_number
    JOIN public.cancel_requests c ON c.record_id = o.id
    WHERE q.flow_instance_id = %(flow_instance_id)s AND public.unindexed(q.status) = 'processing'
    ORDER BY o.id
    FOR NO KEY UPDATE OF q
), written AS (
    UPDATE public.processing_queue q SET status = 'cancelled', batch_limit = NULL, unfinished_claims = 0, updated_at = clock_timestamp()
    FROM owned WHERE q.id = ANY(ARRAY[owned.id])
    RETURNING q.id
), answered AS (
    DELETE FROM public.cancel_requests c USING written w WHERE c.record_id = w.id
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, cancelled, refused)
    SELECT %(flow_name)s, count(*), cardinality(%(ids)s::bigint[]) - count(*) FROM written
)
SELECT id FROM written
