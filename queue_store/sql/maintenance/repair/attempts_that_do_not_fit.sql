WITH found AS MATERIALIZED (
    SELECT a.record_id, a.claim_number FROM public.record_attempts a
    LEFT JOIN public.processing_queue q ON q.id = a.record_id
    WHERE q.id IS NULL OR q.claim_number < a.claim_number
    ORDER BY a.record_id, a.claim_number
    LIMIT %(limit)s
), deleted AS (
    DELETE FROM public.record_attempts a USING found
    WHERE a.record_id = found.record_id AND a.claim_number = found.claim_number AND NOT %(dry_run)s
)
SELECT record_id FROM found
