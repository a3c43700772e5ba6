-- Declares a run dead, which is final. The records of a run that was stopping do not become suspects, and get no crash
-- strike. With `lease_seconds`, a run that has sent a heartbeat within that time is left alone.
UPDATE public.flow_execution_logs
SET died_running = (state = 'running'), state = 'dead', finished_at = clock_timestamp(),
    suspect_record_id = %(suspect_record_id)s, error_message = %(error_message)s
WHERE flow_instance_id = %(flow_instance_id)s AND state IN ('running', 'stopping')
    AND (%(lease_seconds)s::float8 IS NULL
        OR heartbeat_at < clock_timestamp() - make_interval(secs => %(lease_seconds)s::float8))
RETURNING flow_instance_id
