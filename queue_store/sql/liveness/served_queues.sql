-- The Celery queues that worker processes serve which started at or after an instant and beat now.
SELECT DISTINCT unnest(celery_queues)
FROM public.worker_processes
WHERE state = 'running' AND started_at >= %(since)s
