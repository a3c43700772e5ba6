-- The records of one flow, or of all flows, that failed in the last `seconds` seconds, newest first. `exception_type`
-- comes from the record's newest attempt with the same error message.
SELECT q.id, q.flow_name, q.retry_count, q.crash_strikes, q.updated_at AS failed_at, q.error_message,
    (SELECT a.exception_type FROM public.record_attempts a
        WHERE a.record_id = q.id AND a.error_message = q.error_message ORDER BY a.claim_number DESC LIMIT 1) AS exception_type
FROM public.processing_queue q
WHERE q.status = 'failed' AND q.updated_at >= now() - make_interval(secs => %(seconds)s)
    AND (%(flow_name)s::text IS NULL OR q.flow_name = %(flow_name)s)
ORDER BY q.updated_at DESC, q.id DESC
LIMIT %(limit)s
