-- The statement is idempotent, because it is repeated if the answer to its COMMIT was lost.
INSERT INTO public.worker_processes (worker_process_id, worker_id, hostname, pid, flow_names, celery_queues, versions,
    pool_capacity, memory_limit_bytes, processor_count)
VALUES (%(worker_process_id)s, %(worker_id)s, %(hostname)s, %(pid)s, %(flow_names)s, %(celery_queues)s,
    %(versions)s::jsonb, %(pool_capacity)s, %(memory_limit_bytes)s,
    %(processor_count)s)
ON CONFLICT (worker_process_id) DO NOTHING
