SELECT attempt_number, claim_number, outcome, exception_type, error_message, traceback, flow_instance_id, started_at,
    finished_at
FROM record_attempts WHERE record_id = %(record_id)s ORDER BY claim_number
