-- Stores the progress that a record's handler reports. The statement reads the record without waiting for its lock,
-- which a one-COMMIT slice may hold. Nothing is written if the record is no longer `processing`, or has been claimed
-- again. Returns the id if the progress was written.
INSERT INTO public.record_progress AS p (record_id, claim_number, progress)
SELECT q.id, q.claim_number, %(progress)s::jsonb
FROM public.processing_queue q
WHERE q.id = %(record_id)s AND q.claim_number = %(claim_number)s
    AND q.flow_instance_id = %(flow_instance_id)s AND q.status = 'processing'
ON CONFLICT (record_id) DO UPDATE
SET claim_number = excluded.claim_number, progress = excluded.progress, updated_at = clock_timestamp()
WHERE p.claim_number <= excluded.claim_number
RETURNING record_id
