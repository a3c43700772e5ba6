-- The result of a request to end a handler. Returns the record's current status, the exception type of the attempt
-- that should end, and whether the process still has to answer.
SELECT q.status, q.claim_number, q.crash_strikes, a.exception_type,
    coalesce(w.state IN ('running', 'stopping'), false) AS is_alive,
    coalesce(w.end_record_id = q.id AND w.end_claim_number = %(claim_number)s, false) AS is_asked
FROM public.processing_queue q
LEFT JOIN public.record_attempts a ON a.record_id = q.id AND a.claim_number = %(claim_number)s
LEFT JOIN public.worker_processes w ON w.worker_process_id = %(worker_process_id)s
WHERE q.id = %(record_id)s
ORDER BY a.finished_at DESC NULLS LAST
LIMIT 1
