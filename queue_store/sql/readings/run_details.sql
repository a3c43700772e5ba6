SELECT r.flow_instance_id, r.flow_name, r.state, r.worker_process_id, w.hostname, w.pid, w.state AS process_state,
    w.versions ->> 'processing-queue' AS version, r.celery_task_id, r.started_at, r.heartbeat_at, r.finished_at,
    r.batch_count, r.records_claimed, r.records_completed, r.records_retried, r.records_failed, r.records_snoozed,
    r.records_released, r.records_cancelled, r.records_refused, r.error_message
FROM public.flow_execution_logs r LEFT JOIN public.worker_processes w USING (worker_process_id)
WHERE r.flow_instance_id = %(flow_instance_id)s
