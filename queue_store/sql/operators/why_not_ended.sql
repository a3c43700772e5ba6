-- Returns the facts that explain why the handler of a record cannot be ended.
SELECT q.status, q.claim_number, r.state AS run_state, w.end_record_id
FROM public.processing_queue q
LEFT JOIN public.flow_execution_logs r ON r.flow_instance_id = q.flow_instance_id
LEFT JOIN public.worker_processes w ON w.worker_process_id = r.worker_process_id
WHERE q.id = %(record_id)s
