-- Declares maintenance abandoned if its process is silent. Before its next chunk, that process finds that its row is
-- no longer running.
UPDATE public.maintenance_runs
SET state = 'abandoned', finished_at = clock_timestamp(), error_message = 'its process was silent for too long'
WHERE state = 'running' AND heartbeat_at < now() - make_interval(secs => %(silent_seconds)s)
