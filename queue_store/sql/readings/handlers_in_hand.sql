-- The handlers that have run for a long time in living worker processes, the longest first. A handler is left out if
-- its record is no longer `processing`, or has been claimed again since the last heartbeat. `quiet_seconds`: the time
-- since the handler began, or since it last reported progress.
SELECT w.in_hand_flow_name AS flow_name, w.in_hand_record_id AS record_id, w.in_hand_claim_number AS claim_number,
    w.in_hand_run_id AS flow_instance_id, w.worker_process_id, w.hostname, w.pid, w.in_hand_since AS since,
    extract(epoch FROM now() - w.in_hand_since)::float8 AS running_seconds,
    extract(epoch FROM now() - greatest(w.in_hand_since, p.updated_at))::float8 AS quiet_seconds,
    (f.declared ->> 'time_limit_seconds')::float8 AS time_limit_seconds
FROM public.worker_processes w
JOIN public.processing_queue q ON q.id = ANY(ARRAY[w.in_hand_record_id]) AND q.claim_number = w.in_hand_claim_number
    AND public.unindexed(q.status) = 'processing'
LEFT JOIN public.record_progress p ON p.record_id = w.in_hand_record_id AND p.claim_number = w.in_hand_claim_number
LEFT JOIN public.flows f ON f.flow_name = w.in_hand_flow_name
WHERE w.state IN ('running', 'stopping') AND w.heartbeat_at >= now() - make_interval(secs => %(lease_seconds)s)
    AND w.in_hand_since <= now() - make_interval(secs => %(seconds)s)
ORDER BY w.in_hand_since, w.worker_process_id
LIMIT 2000
