-- Restores the last attempt of a failed record from the record itself. The traceback and the kind of error cannot be
-- restored.
WITH kept AS MATERIALIZED (
    SELECT least((SELECT min(finished_at) FROM public.record_attempts), now() - interval '1 day') + interval '1 hour' AS since
), found AS MATERIALIZED (
    SELECT q.* FROM public.processing_queue q CROSS JOIN kept
    LEFT JOIN public.record_attempts a ON a.record_id = q.id AND a.claim_number = q.claim_number
    WHERE q.status = 'failed' AND q.updated_at > kept.since AND q.claim_number > 0 AND q.flow_instance_id IS NOT NULL
        AND (a.record_id IS NULL OR a.error_message <> q.error_message)
    ORDER BY q.id
    LIMIT %(limit)s
), written AS (
    INSERT INTO public.record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
        exception_type, error_message, error_group, started_at, finished_at)
    SELECT id, claim_number, retry_count, flow_name, flow_instance_id, 'failed', 'Unknown', error_message, 'Unknown',
        started_at, updated_at
    FROM found WHERE NOT %(dry_run)s
    ON CONFLICT (record_id, claim_number) DO UPDATE SET error_message = excluded.error_message
)
SELECT id FROM found
