-- Gives up occurrences that were tried too often. Each time the worker that took the occurrence fell silent: its
-- task probably kills its worker.
UPDATE public.schedule_occurrences
SET state = 'failed', finished_at = clock_timestamp(),
    error_message = format('every worker that took it fell silent, %%s time(s): read the logs of the control worker',
        take_number - excused_count)
WHERE state = 'running' AND heartbeat_at < now() - make_interval(secs => %(silent_seconds)s)
    AND take_number - excused_count >= %(tries)s
