-- A record, with the run that owns or owned it. `server_came_back_at` says when the primary last started, recovered or
-- was promoted. On a replica, `server_came_back_at` is NULL, because a replica knows only its own start.
SELECT q.id, q.flow_name, q.status, q.priority, q.scheduled_at, q.claimed_at, q.completed_at, q.updated_at,
    q.flow_instance_id, q.retry_count, q.crash_strikes, q.batch_limit, q.unfinished_claims, q.order_key, q.error_message,
    (SELECT a.exception_type FROM public.record_attempts a
        WHERE a.record_id = q.id AND a.error_message = q.error_message ORDER BY a.claim_number DESC LIMIT 1) AS exception_type,
    c.requested_at AS cancel_requested_at, c.requested_by AS cancel_requested_by,
    r.state AS run_state, r.heartbeat_at AS run_heartbeat_at, w.hostname, w.pid,
    CASE WHEN NOT pg_is_in_recovery() THEN greatest(pg_postmaster_start_time(),
        (SELECT max(backend_start) FROM pg_stat_activity WHERE backend_type IN ('checkpointer', 'walwriter')))
        END AS server_came_back_at
FROM public.processing_queue q
LEFT JOIN public.cancel_requests c ON c.record_id = q.id
LEFT JOIN public.flow_execution_logs r ON r.flow_instance_id = q.flow_instance_id
LEFT JOIN public.worker_processes w ON w.worker_process_id = r.worker_process_id
WHERE q.id = %(id)s
