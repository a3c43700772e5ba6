-- The newest records that these runs have claimed now or attempted without success. Indexes find these records. No
-- index finds the records that a run has completed.
(SELECT id FROM public.processing_queue WHERE flow_instance_id = ANY(%(run_ids)s::uuid[]) AND status = 'processing'
ORDER BY id DESC LIMIT %(limit)s)
UNION
(SELECT record_id FROM public.record_attempts WHERE flow_instance_id = ANY(%(run_ids)s::uuid[])
ORDER BY record_id DESC LIMIT %(limit)s)
