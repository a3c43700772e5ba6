-- Gives up occurrences that were tried too often. In each try, the worker that took the occurrence fell silent: the
-- task of the occurrence probably kills its worker.
UPDATE public.schedule_occurrences
SET state = 'failed', finished_at = clock_timestamp(),
    error_message = format('every worker that took it fell silent, %%s: read the logs of the control worker',
        CASE take_number - excused_count WHEN 1 THEN 'once' ELSE format('%%s times', take_number - excused_count) END)
WHERE state = 'running' AND heartbeat_at < now() - make_interval(secs => %(silent_seconds)s)
    AND take_number - excused_count >= %(tries)s
