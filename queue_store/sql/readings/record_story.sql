-- All that is known of one record.
SELECT q.id, q.flow_name, q.status, q.priority, q.scheduled_at, q.created_at, q.updated_at, q.claimed_at, q.started_at,
    q.completed_at, q.flow_instance_id, q.claim_number, q.retry_count, q.crash_strikes, q.batch_limit, q.dedup_key,
    q.order_key, q.correlation_id, q.error_message, q.payload, pg_column_size(q.payload) AS payload_bytes, q.result,
    p.progress, p.updated_at AS progress_at, c.requested_by AS cancel_requested_by, c.requested_at AS cancel_requested_at,
    w.hostname, w.pid, r.state AS run_state
FROM processing_queue q
LEFT JOIN record_progress p ON p.record_id = q.id AND p.claim_number = q.claim_number
LEFT JOIN cancel_requests c ON c.record_id = q.id
LEFT JOIN flow_execution_logs r ON r.flow_instance_id = q.flow_instance_id
LEFT JOIN worker_processes w ON w.worker_process_id = r.worker_process_id
WHERE q.id = %(id)s
