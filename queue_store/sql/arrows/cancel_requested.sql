-- cancel: pending → cancelled, for records that were given back while the request to cancel them was being written.
-- One transaction gave the record back, and another wrote the request. Neither of them saw what the other wrote. A
-- record that a run has claimed since then is left out, because that run sees the request itself. Returns the ids of
-- the cancelled records.
WITH asked AS MATERIALIZED (
    SELECT q.id FROM public.processing_queue q
    WHERE q.id = ANY(ARRAY(SELECT record_id FROM public.cancel_requests WHERE requested_at > now() - interval '1 day'))
        AND public.unindexed(q.status) = 'pending'
    ORDER BY q.id
    FOR NO KEY UPDATE SKIP LOCKED
), cancelled AS (
    UPDATE public.processing_queue q SET status = 'cancelled', batch_limit = NULL, updated_at = clock_timestamp()
    WHERE q.id = ANY(ARRAY(SELECT id FROM asked))
    RETURNING q.id, q.flow_name
), answered AS (
    DELETE FROM public.cancel_requests c USING cancelled w WHERE c.record_id = w.id
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, cancelled)
    SELECT flow_name, count(*) FROM cancelled GROUP BY flow_name
)
SELECT id FROM cancelled
