-- Returns the runs of the given worker processes that are not marked as over. The processes are known to be gone.
SELECT r.flow_instance_id
FROM public.flow_execution_logs r
WHERE r.state IN ('running', 'stopping') AND r.worker_process_id = ANY(%(worker_process_ids)s::uuid[])
