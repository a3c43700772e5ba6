-- The runs that count towards the flow's limit of runs.
SELECT r.flow_instance_id, r.state, w.hostname, w.pid, r.started_at, r.heartbeat_at
FROM public.flow_execution_logs r
LEFT JOIN public.worker_processes w ON w.worker_process_id = r.worker_process_id
WHERE r.flow_name = %(flow_name)s AND r.state IN ('running', 'stopping')
ORDER BY r.started_at
LIMIT %(limit)s
