-- The seconds since the last heartbeat of any beat, and of any worker process. NULL if no heartbeat is known.
SELECT (SELECT extract(epoch FROM clock_timestamp() - max(heartbeat_at))::float8 FROM public.beats) AS beat_seconds,
    (SELECT extract(epoch FROM clock_timestamp() - max(heartbeat_at))::float8 FROM public.worker_processes) AS worker_seconds
