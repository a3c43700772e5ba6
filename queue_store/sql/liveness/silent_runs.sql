-- Runs that were silent for longer than the lease. For the length of one lease after the server came back, no run
-- counts as silent, because the outage made every heartbeat stale. When a session crashes, Postgres restarts the
-- checkpointer and the WAL writer, but not the postmaster. When a standby is promoted, Postgres starts only the WAL
-- writer. So the server came back when the last of these started: the postmaster, the checkpointer or the WAL writer. A
-- login without pg_read_all_stats sees only when the postmaster started, so for this login only that start counts.
--
-- If the clock of the database has stepped back, heartbeats from before the step lie in the future. Such a heartbeat
-- counts as sent now. So a process that died is found one lease later, although the clock has not caught up. A living
-- process sends its next heartbeat soon. Rows that are locked wait for the next sweep.
WITH runs AS (
    UPDATE public.flow_execution_logs SET heartbeat_at = clock_timestamp()
    WHERE flow_instance_id = ANY(ARRAY(
        SELECT flow_instance_id FROM public.flow_execution_logs
        WHERE state IN ('running', 'stopping') AND heartbeat_at > now() + interval '1 minute'
        FOR NO KEY UPDATE SKIP LOCKED))
), processes AS (
    UPDATE public.worker_processes SET heartbeat_at = clock_timestamp()
    WHERE worker_process_id = ANY(ARRAY(
        SELECT worker_process_id FROM public.worker_processes
        WHERE state IN ('running', 'stopping') AND heartbeat_at > now() + interval '1 minute'
        FOR NO KEY UPDATE SKIP LOCKED))
)
SELECT r.flow_instance_id
FROM public.flow_execution_logs r
WHERE r.state IN ('running', 'stopping')
    AND r.heartbeat_at < now() - make_interval(secs => %(lease_seconds)s)
    AND greatest(pg_postmaster_start_time(),
        (SELECT max(backend_start) FROM pg_stat_activity WHERE backend_type IN ('checkpointer', 'walwriter')))
        < now() - make_interval(secs => %(lease_seconds)s)
