SELECT r.flow_instance_id, r.state, r.started_at, r.heartbeat_at, r.finished_at, r.celery_task_id, r.worker_process_id,
    p.hostname, p.pid, p.in_hand_record_id, p.in_hand_claim_number, p.in_hand_since,
    p.end_record_id, p.end_claim_number, p.end_requested_by, p.end_requested_at
FROM public.flow_execution_logs r LEFT JOIN public.worker_processes p USING (worker_process_id)
WHERE r.flow_instance_id = %(flow_instance_id)s
