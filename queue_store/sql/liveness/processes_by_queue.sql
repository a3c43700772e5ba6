-- How many running worker processes serve each Celery queue. Only processes that started at `since` or later
-- count.
SELECT celery_queue, count(*)
FROM public.worker_processes, unnest(celery_queues) AS celery_queue
WHERE state = 'running' AND started_at >= %(since)s
GROUP BY celery_queue
