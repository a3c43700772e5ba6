-- Asks the process that works on a record under this claim to end the record's handler. Returns no row if no process
-- works on the record under this claim. Also returns no row if the process was asked to end another handler less than a
-- minute ago, and has not answered yet.
WITH owner AS MATERIALIZED (
    SELECT q.id AS record_id, q.claim_number, q.crash_strikes, r.worker_process_id
    FROM public.processing_queue q JOIN public.flow_execution_logs r ON r.flow_instance_id = q.flow_instance_id
    WHERE q.id = %(record_id)s AND public.unindexed(q.status) = 'processing' AND r.state IN ('running', 'stopping')
        AND q.claim_number = coalesce(%(claim_number)s::integer, q.claim_number)
)
UPDATE public.worker_processes w
SET end_record_id = o.record_id, end_claim_number = o.claim_number, end_requested_at = clock_timestamp(),
    end_requested_by = %(actor)s, end_reason = %(reason)s
FROM owner o
WHERE w.worker_process_id = o.worker_process_id AND w.state IN ('running', 'stopping')
    AND (w.end_record_id IS NULL OR w.end_record_id = o.record_id OR w.end_requested_at < now() - interval '1 minute')
RETURNING o.record_id, o.claim_number, o.crash_strikes, w.worker_process_id, w.hostname, w.pid
