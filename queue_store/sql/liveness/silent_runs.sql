-- Runs that were silent for longer than the lease. For the length of one lease after the server came back, no run
-- counts as silent, because the outage made every heartbeat stale. When a session crashes, Postgres restarts the
-- checkpointer and the WAL writer, but not the postmaster. When a standby is promoted, Postgres starts only the WAL
-- writer. So the server came back when the last of these started: the postmaster, the checkpointer or the WAL writer. A
-- login without pg_read_all_stats sees only when the postmaster started, so for this login only that start counts.
SELECT r.flow_instance_id
FROM public.flow_execution_logs r
WHERE r.state IN ('running', 'stopping')
    AND r.heartbeat_at < now() - make_interval(secs => %(lease_seconds)s)
    AND greatest(pg_postmaster_start_time(),
        (SELECT max(backend_start) FROM pg_stat_activity WHERE backend_type IN ('checkpointer', 'walwriter')))
        < now() - make_interval(secs => %(lease_seconds)s)
