-- One run by its id, or the newest runs of a worker process or of the processes of a host. `finished_at` is NULL
-- while a run is alive.
(SELECT r.flow_instance_id, r.finished_at FROM public.flow_execution_logs r WHERE r.flow_instance_id = %(run_id)s)
UNION ALL
(SELECT r.flow_instance_id, r.finished_at
FROM public.worker_processes w
JOIN public.flow_execution_logs r ON r.worker_process_id = w.worker_process_id
WHERE w.worker_process_id = %(worker_process_id)s
    OR w.hostname = %(hostname)s AND (%(pid)s::integer IS NULL OR w.pid = %(pid)s)
ORDER BY r.started_at DESC
LIMIT %(limit)s)
