-- Corrects records in a state that no arrow leads to. Times in the future are set to the current time. A pending record
-- loses its owner, claim time and completion time. A processing record without an owner, a claim time or a claim number
-- becomes pending. A failed record without an error message gets one. Scans the whole table.
WITH found AS MATERIALIZED (
    SELECT q.id FROM public.processing_queue q
    WHERE q.status = 'pending'
            AND (q.claimed_at IS NOT NULL OR q.flow_instance_id IS NOT NULL OR q.completed_at IS NOT NULL)
        OR q.status = 'processing'
            AND (q.claimed_at IS NULL OR q.flow_instance_id IS NULL OR q.completed_at IS NOT NULL
                OR q.claim_number < 1)
        OR q.status = 'failed' AND (q.error_message IS NULL OR q.completed_at IS NOT NULL)
        OR q.claimed_at > now() + interval '1 minute' OR q.updated_at > now() + interval '1 minute'
    ORDER BY q.id
    LIMIT %(limit)s
    FOR NO KEY UPDATE OF q SKIP LOCKED
), judged AS (
    SELECT q.id, q.status = 'pending' OR q.status = 'processing'
            AND (q.claimed_at IS NULL OR q.flow_instance_id IS NULL OR q.claim_number < 1)
        AS is_pending
    FROM public.processing_queue q JOIN found USING (id)
), written AS (
    UPDATE public.processing_queue q
    SET status = CASE WHEN j.is_pending THEN 'pending' ELSE q.status END,
        claimed_at = CASE WHEN NOT j.is_pending THEN least(q.claimed_at, now()) END,
        flow_instance_id = CASE WHEN NOT j.is_pending THEN q.flow_instance_id END,
        completed_at = CASE WHEN q.status = 'completed' THEN greatest(least(q.completed_at, now()), least(q.claimed_at, now())) END,
        error_message = CASE WHEN q.status = 'failed' AND q.error_message IS NULL
            THEN 'failed, and nobody wrote why' ELSE q.error_message END,
        updated_at = now()
    FROM judged j WHERE q.id = j.id AND NOT %(dry_run)s
)
SELECT id FROM found
