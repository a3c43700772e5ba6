-- The worker processes that are running or stopping, and those that were declared dead in the last `seconds`.
-- `is_alive` is false for a silent process. After an outage of the server, every heartbeat is stale. So until one lease
-- has passed since the server came back, a process counts as silent only if it sent no heartbeat in the last `seconds`.
-- The limit applies only to silent and dead processes, and silent processes come first. If it applied to all processes,
-- thousands of dead processes could push living ones out of the result.
WITH seen AS MATERIALIZED (
    SELECT w.worker_process_id, w.worker_id, w.hostname, w.pid, w.state, w.started_at,
        extract(epoch FROM now() - w.heartbeat_at)::float8 AS silent_seconds, w.flow_names, w.celery_queues, w.versions,
        w.pool_capacity, w.pool_in_use, w.cpu_percent, w.memory_bytes, w.memory_limit_bytes, w.processor_count,
        w.in_hand_record_id, w.in_hand_flow_name, w.in_hand_since,
        w.clock_skew_seconds,
        w.state IN ('running', 'stopping')
            AND (w.heartbeat_at >= now() - make_interval(secs => %(lease_seconds)s)
                OR server.came_back_at >= now() - make_interval(secs => %(lease_seconds)s)
                    AND w.heartbeat_at >= now() - make_interval(secs => %(seconds)s)) AS is_alive
    FROM public.worker_processes w
    CROSS JOIN (
        SELECT greatest(pg_postmaster_start_time(),
            (SELECT max(backend_start) FROM pg_stat_activity WHERE backend_type IN ('checkpointer', 'walwriter')))
            AS came_back_at) server
    WHERE w.state IN ('running', 'stopping')
        OR w.state = 'dead' AND w.ended_at >= now() - make_interval(secs => %(seconds)s)
)
SELECT * FROM seen WHERE is_alive
UNION ALL
(SELECT * FROM seen WHERE NOT is_alive ORDER BY state = 'dead', silent_seconds LIMIT %(gone_limit)s)
ORDER BY hostname, pid, started_at
