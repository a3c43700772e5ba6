-- The current run of each worker process. A process has one run at a time.
SELECT worker_process_id, flow_instance_id, flow_name, started_at FROM public.flow_execution_logs
WHERE state IN ('running', 'stopping')
ORDER BY started_at
LIMIT 2000
