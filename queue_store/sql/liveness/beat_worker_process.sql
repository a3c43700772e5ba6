-- Notes that a worker process is alive, and which record it is working on. If the process must end a handler, the
-- returned row names the record of this handler. Returns no row if the process was declared dead and must stop working.
-- CPU use is smoothed over about a minute, because a single busy batch is not a problem.
UPDATE public.worker_processes
SET heartbeat_at = clock_timestamp(), pool_in_use = %(pool_in_use)s, memory_bytes = %(memory_bytes)s,
    clock_skew_seconds = coalesce(%(clock_skew_seconds)s::real, clock_skew_seconds),
    cpu_percent = coalesce(cpu_percent * 0.95 + %(cpu_percent)s::real * 0.05, %(cpu_percent)s::real),
    in_hand_record_id = %(record_id)s, in_hand_claim_number = %(claim_number)s,
    in_hand_since = clock_timestamp() - make_interval(secs => %(seconds)s),
    in_hand_flow_name = %(flow_name)s, in_hand_run_id = %(flow_instance_id)s
WHERE worker_process_id = %(worker_process_id)s AND state IN ('running', 'stopping')
RETURNING end_record_id AS record_id, end_claim_number AS claim_number, end_requested_by AS requested_by,
    end_reason AS reason
