-- The records that are processing under a run, oldest first. A partial index finds them.
SELECT id, priority, claimed_at, started_at, retry_count, crash_strikes FROM public.processing_queue
WHERE flow_instance_id = %(flow_instance_id)s AND status = 'processing'
ORDER BY id
LIMIT %(limit)s
