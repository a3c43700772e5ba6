-- The runs that are alive, and the newest runs that are over.
(SELECT r.flow_instance_id, r.flow_name, r.state, w.hostname, w.pid, r.started_at, r.heartbeat_at, r.finished_at,
    r.batch_count, r.records_claimed, r.records_completed, r.records_retried, r.records_failed, r.records_released,
    r.records_refused, r.error_message
FROM public.flow_execution_logs r LEFT JOIN public.worker_processes w ON w.worker_process_id = r.worker_process_id
WHERE r.state IN ('running', 'stopping')
ORDER BY r.started_at
LIMIT %(limit)s)
UNION ALL
(SELECT r.flow_instance_id, r.flow_name, r.state, w.hostname, w.pid, r.started_at, r.heartbeat_at, r.finished_at,
    r.batch_count, r.records_claimed, r.records_completed, r.records_retried, r.records_failed, r.records_released,
    r.records_refused, r.error_message
FROM public.flow_execution_logs r LEFT JOIN public.worker_processes w ON w.worker_process_id = r.worker_process_id
WHERE r.finished_at IS NOT NULL
ORDER BY r.finished_at DESC
LIMIT %(limit)s)
