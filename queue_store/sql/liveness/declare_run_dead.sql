-- A run is declared dead, which is final. One that was running leaves suspects; one that was stopping does not.
-- With a lease: unless its heartbeat arrived since.
UPDATE public.flow_execution_logs
SET died_running = (state = 'running'), state = 'dead', finished_at = clock_timestamp(),
    suspect_record_id = %(suspect_record_id)s, error_message = %(error_message)s
WHERE flow_instance_id = %(flow_instance_id)s AND state IN ('running', 'stopping')
    AND (%(lease_seconds)s::float8 IS NULL
        OR heartbeat_at < clock_timestamp() - make_interval(secs => %(lease_seconds)s::float8))
RETURNING flow_instance_id
