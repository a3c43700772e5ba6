-- Gives up occurrences whose worker fell silent in the last of the allowed tries. The task of such an occurrence
-- probably kills its worker.
UPDATE public.schedule_occurrences
SET state = 'failed', finished_at = clock_timestamp(),
    error_message = format('its worker fell silent in try %%s, which was the last one: read the logs of the control worker',
        take_number - excused_count)
WHERE state = 'running' AND (heartbeat_at < now() - make_interval(secs => %(silent_seconds)s)
        OR heartbeat_at > now() + interval '1 minute') -- the clock of the database has stepped back
    AND take_number - excused_count >= %(tries)s
