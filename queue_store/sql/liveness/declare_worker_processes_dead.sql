-- Worker processes that are known to be gone, or were silent for longer than the lease, are declared dead. No process
-- counts as silent until one lease has passed since the Postgres server last started, recovered or was promoted.
-- If `lease_seconds` is NULL, no process is declared dead because of its silence.
UPDATE public.worker_processes
SET state = 'dead', ended_at = clock_timestamp()
WHERE state IN ('running', 'stopping')
    AND (worker_process_id = ANY(%(worker_process_ids)s::uuid[])
        OR heartbeat_at < now() - make_interval(secs => %(lease_seconds)s::float8)
            AND greatest(pg_postmaster_start_time(),
                (SELECT max(backend_start) FROM pg_stat_activity WHERE backend_type IN ('checkpointer', 'walwriter')))
                < now() - make_interval(secs => %(lease_seconds)s::float8))
RETURNING worker_process_id
