-- How long ago any beat, and any worker process, last sent a heartbeat (NULL: none is known).
SELECT (SELECT extract(epoch FROM clock_timestamp() - max(heartbeat_at))::float8 FROM public.beats) AS beat_seconds,
    (SELECT extract(epoch FROM clock_timestamp() - max(heartbeat_at))::float8 FROM public.worker_processes) AS worker_seconds
