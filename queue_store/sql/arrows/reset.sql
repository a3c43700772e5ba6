-- reset: failed → pending, due now. Keeps retry_count, so that a record without attempts left gets exactly one new
-- attempt. A record stays failed if its flow has an unfinished record with the same dedup_key. If several of the given
-- records of one flow have the same dedup_key, only the newest is reset. Each record is looked up by its id, even if
-- the statistics are old: see queue_store/sql/README.md. Returns the ids that were reset.
WITH newest AS MATERIALIZED (
    SELECT max(q.id) AS id FROM public.processing_queue q
    WHERE q.id = ANY(%(ids)s::bigint[]) AND public.unindexed(q.status) = 'failed'
    GROUP BY q.flow_name, q.dedup_key, CASE WHEN q.dedup_key IS NULL THEN q.id END
), twinless AS MATERIALIZED (
    SELECT q.id FROM public.processing_queue q
    WHERE q.id = ANY(ARRAY(SELECT id FROM newest)) AND public.unindexed(q.status) = 'failed'
        AND (q.dedup_key IS NULL OR NOT EXISTS (
            SELECT FROM public.processing_queue twin
            WHERE twin.flow_name = q.flow_name AND twin.dedup_key = q.dedup_key
                AND twin.status IN ('pending', 'processing')
            OFFSET 0))
    ORDER BY q.id
    FOR NO KEY UPDATE
), written AS (
    UPDATE public.processing_queue q
    SET status = 'pending', scheduled_at = clock_timestamp(), updated_at = clock_timestamp(),
        claimed_at = NULL, flow_instance_id = NULL, started_at = NULL,
        unfinished_claims = 0
    WHERE q.id = ANY(ARRAY(SELECT id FROM twinless))
    RETURNING q.id, q.flow_name
), answered AS (
    -- A request to cancel may have come just as the record failed, and must not affect the new attempt.
    DELETE FROM public.cancel_requests c USING written w WHERE c.record_id = w.id
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, reset)
    SELECT flow_name, count(*) FROM written GROUP BY flow_name
)
SELECT id FROM written
