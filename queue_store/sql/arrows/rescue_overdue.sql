-- rescue: processing → pending, or cancelled if somebody asked to cancel the record. The statement gives back records
-- on which probably no process is working. Either the record's run has no row, or the claim is older than both the
-- orphan timeout and the flow's own limit. The run of such an old claim may still be alive. The statement first finds
-- the rows. A row may then get a new owner, so the statement locks only the rows that still have the same claim number.
-- If one step found and locked the rows, Postgres would check a row's new version against the run that it had joined to
-- the old version. The statement would then take the record from its new owner.
WITH seen AS MATERIALIZED (
    SELECT q.id, q.claim_number
    FROM public.processing_queue q
    LEFT JOIN public.flow_execution_logs r ON r.flow_instance_id = q.flow_instance_id
    LEFT JOIN public.flows f ON f.flow_name = q.flow_name
    WHERE q.status = 'processing'
        AND (r.flow_instance_id IS NULL
            OR q.claimed_at < now() - make_interval(
                secs => greatest(%(orphan_timeout_seconds)s, coalesce(f.orphan_timeout_seconds, 0))))
    ORDER BY q.flow_instance_id, q.id -- the order of the index
    LIMIT %(limit)s
), orphan AS MATERIALIZED (
    SELECT q.id, EXISTS (SELECT FROM public.cancel_requests c WHERE c.record_id = q.id) AS cancelled
    FROM public.processing_queue q JOIN seen ON q.id = ANY(ARRAY[seen.id]) AND seen.claim_number = q.claim_number
    WHERE public.unindexed(q.status) = 'processing'
    ORDER BY seen.id
    FOR NO KEY UPDATE OF q SKIP LOCKED
), written AS (
    UPDATE public.processing_queue q
    SET status = CASE WHEN orphan.cancelled THEN 'cancelled' ELSE 'pending' END, updated_at = clock_timestamp(),
        unfinished_claims = least(q.unfinished_claims + 1, 32767),
        batch_limit = CASE WHEN q.unfinished_claims + 1 >= %(max_unfinished_claims)s AND NOT orphan.cancelled THEN 1
            ELSE q.batch_limit END,
        claimed_at = CASE WHEN orphan.cancelled THEN q.claimed_at END,
        flow_instance_id = CASE WHEN orphan.cancelled THEN q.flow_instance_id END
    FROM orphan WHERE q.id = ANY(ARRAY[orphan.id])
    RETURNING q.id, q.flow_name, q.status
), answered AS (
    DELETE FROM public.cancel_requests c USING written w WHERE c.record_id = w.id AND w.status = 'cancelled'
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, rescued, cancelled)
    SELECT flow_name, count(*), count(*) FILTER (WHERE status = 'cancelled') FROM written GROUP BY flow_name
)
SELECT id, status FROM written ORDER BY id
