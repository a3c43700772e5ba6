-- Maintenance whose process is silent is over: it finds its row no longer running before its next chunk.
UPDATE public.maintenance_runs
SET state = 'abandoned', finished_at = clock_timestamp(), error_message = 'its process was silent for too long'
WHERE state = 'running' AND heartbeat_at < now() - make_interval(secs => %(silent_seconds)s)
