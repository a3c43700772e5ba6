-- In flows with a `max_crash_strikes` of 1, fails the restored records that were being processed and that no living run
-- holds. Such a record may have been processed since the backup, and rescue would give it back without a crash strike.
-- As in arrows/rescue.sql, a record that was asked to stop becomes cancelled. Returns the number of these records.
WITH lost AS MATERIALIZED (
    SELECT q.id, EXISTS (SELECT FROM public.cancel_requests c WHERE c.record_id = q.id) AS cancelled
    FROM public.processing_queue q LEFT JOIN public.flows f ON f.flow_name = q.flow_name
    WHERE q.status = 'processing'
        AND coalesce((f.declared ->> 'max_crash_strikes')::integer, %(max_crash_strikes)s::integer) <= 1
        AND NOT EXISTS (
            SELECT FROM pg_temp.held_claims h
            WHERE h.id = q.id AND h.claim_number = q.claim_number AND h.flow_instance_id = q.flow_instance_id
                AND h.flow_instance_id = ANY(%(ids)s::uuid[]))
), written AS (
    UPDATE public.processing_queue q
    SET status = CASE WHEN lost.cancelled THEN 'cancelled' ELSE 'failed' END,
        crash_strikes = least(q.crash_strikes + 1, 32767), unfinished_claims = least(q.unfinished_claims + 1, 32767),
        batch_limit = NULL, updated_at = clock_timestamp(),
        error_message = 'The queue was restored from a backup. This record may have been processed since the backup.'
    FROM lost WHERE q.id = ANY(ARRAY[lost.id])
    RETURNING q.id, q.status, q.error_message, q.claim_number, q.retry_count, q.flow_name, q.flow_instance_id
), remembered AS (
    INSERT INTO public.record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
        exception_type, error_message, error_group)
    SELECT id, claim_number, retry_count, flow_name, flow_instance_id, 'crashed', 'WorkerProcessDied', error_message,
        'WorkerProcessDied'
    FROM written
), answered AS (
    DELETE FROM public.cancel_requests c USING written w WHERE c.record_id = w.id AND w.status = 'cancelled'
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, rescued, crashed, failed, cancelled)
    SELECT flow_name, count(*), count(*), count(*) FILTER (WHERE status = 'failed'),
        count(*) FILTER (WHERE status = 'cancelled')
    FROM written GROUP BY flow_name
)
SELECT count(*) FROM written
