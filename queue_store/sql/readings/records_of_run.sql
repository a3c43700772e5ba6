-- The records that a run has claimed now, oldest first. A partial index finds them.
SELECT id, priority, claimed_at, started_at, retry_count, crash_strikes FROM public.processing_queue
WHERE flow_instance_id = %(flow_instance_id)s AND status = 'processing'
ORDER BY id
LIMIT %(limit)s
