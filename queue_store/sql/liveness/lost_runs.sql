-- The runs that are not over although their worker processes are known to be gone.
SELECT r.flow_instance_id
FROM public.flow_execution_logs r
WHERE r.state IN ('running', 'stopping') AND r.worker_process_id = ANY(%(worker_process_ids)s::uuid[])
