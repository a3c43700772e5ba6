-- A process removes an operator's request to end a handler, because the request came too late: the process no longer
-- works on the record under the claim that the request names.
UPDATE public.worker_processes
SET end_record_id = NULL, end_claim_number = NULL, end_requested_at = NULL, end_requested_by = NULL, end_reason = NULL
WHERE worker_process_id = %(worker_process_id)s AND end_record_id = %(record_id)s
    AND end_claim_number = %(claim_number)s
