-- A frozen process' open transaction keeps its locks and would block the new owner. With a lease: unless the run's
-- heartbeat arrived meanwhile.
SELECT pg_terminate_backend(%(backend_pid)s, %(timeout_milliseconds)s)
WHERE %(lease_seconds)s::float8 IS NULL OR EXISTS (
    SELECT FROM flow_execution_logs
    WHERE flow_instance_id = %(flow_instance_id)s
        AND heartbeat_at < clock_timestamp() - make_interval(secs => %(lease_seconds)s::float8))
