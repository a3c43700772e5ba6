-- The records that these runs have claimed now, or attempted without success, the newest ones: indexes know both. What
-- they completed no index knows.
(SELECT id FROM public.processing_queue WHERE flow_instance_id = ANY(%(run_ids)s::uuid[]) AND status = 'processing'
ORDER BY id DESC LIMIT %(limit)s)
UNION
(SELECT record_id FROM public.record_attempts WHERE flow_instance_id = ANY(%(run_ids)s::uuid[])
ORDER BY record_id DESC LIMIT %(limit)s)
