-- For each Celery queue, how many worker processes serve it that started at or after an instant and beat now.
SELECT celery_queue, count(*)
FROM public.worker_processes, unnest(celery_queues) AS celery_queue
WHERE state = 'running' AND started_at >= %(since)s
GROUP BY celery_queue
