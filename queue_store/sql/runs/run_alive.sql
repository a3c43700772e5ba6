-- A run goes on over a new connection: rescue must know which session to end.
UPDATE flow_execution_logs
SET backend_pid = pg_backend_pid(),
    backend_started_at = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
WHERE flow_instance_id = %(flow_instance_id)s AND state IN ('running', 'stopping')
RETURNING flow_instance_id
