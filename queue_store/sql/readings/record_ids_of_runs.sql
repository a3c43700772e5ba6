-- The newest records that are processing under these runs, or that these runs attempted without success. The records
-- that a run has completed are left out, because no index finds them. The last column says which rows are attempts.
(SELECT id, false AS is_attempt FROM public.processing_queue
WHERE flow_instance_id = ANY(%(run_ids)s::uuid[]) AND status = 'processing'
ORDER BY id DESC LIMIT %(limit)s)
UNION ALL
(SELECT record_id, true FROM public.record_attempts WHERE flow_instance_id = ANY(%(run_ids)s::uuid[])
ORDER BY record_id DESC LIMIT %(limit)s)
