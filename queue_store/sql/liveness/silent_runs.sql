-- Runs that were silent for longer than the lease. Nobody is silent before one lease has passed since the server came
-- back: after an outage every heartbeat is stale. The checkpointer is younger than the server after a crash of another
-- session.
SELECT r.flow_instance_id
FROM public.flow_execution_logs r
WHERE r.state IN ('running', 'stopping')
    AND r.heartbeat_at < now() - make_interval(secs => %(lease_seconds)s)
    AND greatest(pg_postmaster_start_time(),
        (SELECT max(backend_start) FROM pg_stat_activity WHERE backend_type = 'checkpointer'))
        < now() - make_interval(secs => %(lease_seconds)s)
