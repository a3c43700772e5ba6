-- Ends the session that a run works in: its open transaction would keep locks for as long as a statement takes.
SELECT pg_terminate_backend(a.pid, 1000)
FROM flow_execution_logs r
JOIN pg_stat_activity a ON a.pid = r.backend_pid AND a.backend_start = r.backend_started_at
WHERE r.flow_instance_id = %(flow_instance_id)s
