-- Declares a maintenance run abandoned if its process has been silent for too long. If that process is still alive, it
-- stops before its next chunk, because beat_maintenance_run.sql returns no row.
UPDATE public.maintenance_runs
SET state = 'abandoned', finished_at = clock_timestamp(), error_message = 'its process was silent for too long'
WHERE state = 'running' AND heartbeat_at < now() - make_interval(secs => %(silent_seconds)s)
