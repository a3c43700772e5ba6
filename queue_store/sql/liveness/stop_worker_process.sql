-- A worker process and its run stop for a deploy: a death from here on is not a crash.
WITH process AS (
    UPDATE public.worker_processes SET state = 'stopping'
    WHERE worker_process_id = %(worker_process_id)s AND state = 'running'
)
UPDATE public.flow_execution_logs SET state = 'stopping'
WHERE worker_process_id = %(worker_process_id)s AND state = 'running'
