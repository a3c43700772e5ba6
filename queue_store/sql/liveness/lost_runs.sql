-- The live runs of worker processes that are known to be gone, and the session of each that may still be open.
SELECT r.flow_instance_id, a.pid AS backend_pid
FROM flow_execution_logs r
LEFT JOIN pg_stat_activity a ON a.pid = r.backend_pid AND a.backend_start = r.backend_started_at
WHERE r.state IN ('running', 'stopping') AND r.worker_process_id = ANY(%(worker_process_ids)s::uuid[])
