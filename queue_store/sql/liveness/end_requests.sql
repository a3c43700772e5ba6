-- The handlers that the given worker processes were asked to end. A handler is left out if its record is no longer
-- `processing`, or has been claimed again since the request.
SELECT w.worker_process_id, w.pid, w.end_record_id AS record_id, w.end_requested_by AS requested_by
FROM public.worker_processes w
JOIN public.processing_queue q ON q.id = ANY(ARRAY[w.end_record_id]) AND q.claim_number = w.end_claim_number
    AND public.unindexed(q.status) = 'processing'
JOIN public.flow_execution_logs r ON r.flow_instance_id = q.flow_instance_id AND r.worker_process_id = w.worker_process_id
WHERE w.worker_process_id = ANY(%(worker_process_ids)s::uuid[]) AND w.state IN ('running', 'stopping')
