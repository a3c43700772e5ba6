-- rescue: processing → pending, for records whose run has no row, or is marked as settled (over, and without records).
-- No attempt is charged. A record that was asked to stop becomes cancelled. The statement first finds the rows. Then it
-- locks only those whose claim number is unchanged, because a row may get a new owner between the two steps. If a
-- single step found and locked the rows, Postgres would check a row's new version against the old joined rows. So the
-- new owner would lose the record.
WITH seen AS MATERIALIZED (
    SELECT q.id, q.claim_number FROM public.processing_queue q
    LEFT JOIN public.flow_execution_logs r ON r.flow_instance_id = q.flow_instance_id
    WHERE q.status = 'processing' AND (r.flow_instance_id IS NULL OR r.settled_at IS NOT NULL)
    ORDER BY q.flow_instance_id, q.id -- the order of the index
    LIMIT %(limit)s
), found AS MATERIALIZED (
    SELECT q.id, EXISTS (SELECT FROM public.cancel_requests c WHERE c.record_id = q.id) AS cancelled
    FROM public.processing_queue q JOIN seen ON q.id = ANY(ARRAY[seen.id]) AND seen.claim_number = q.claim_number
    WHERE public.unindexed(q.status) = 'processing'
    ORDER BY seen.id
    FOR NO KEY UPDATE OF q SKIP LOCKED
), written AS (
    UPDATE public.processing_queue q
    SET status = CASE WHEN found.cancelled THEN 'cancelled' ELSE 'pending' END, updated_at = clock_timestamp(),
        claimed_at = CASE WHEN found.cancelled THEN q.claimed_at END,
        flow_instance_id = CASE WHEN found.cancelled THEN q.flow_instance_id END
    FROM found WHERE q.id = ANY(ARRAY[found.id]) AND NOT %(dry_run)s
    RETURNING q.id, q.flow_name, q.status
), answered AS (
    DELETE FROM public.cancel_requests c USING written w WHERE c.record_id = w.id AND w.status = 'cancelled'
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, rescued, cancelled)
    SELECT flow_name, count(*), count(*) FILTER (WHERE status = 'cancelled') FROM written GROUP BY flow_name
)
SELECT id FROM found
