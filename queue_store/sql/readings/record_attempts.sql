-- The unsuccessful attempts at a record, newest first. If `limit` is NULL, all unsuccessful attempts are returned.
SELECT a.claim_number, a.attempt_number, a.flow_instance_id, a.outcome, a.exception_type, a.error_message, a.error_group,
    a.traceback, a.started_at, a.finished_at, w.hostname, w.pid
FROM public.record_attempts a
LEFT JOIN public.flow_execution_logs r ON r.flow_instance_id = a.flow_instance_id
LEFT JOIN public.worker_processes w ON w.worker_process_id = r.worker_process_id
WHERE a.record_id = %(record_id)s
ORDER BY a.claim_number DESC
LIMIT %(limit)s::bigint
