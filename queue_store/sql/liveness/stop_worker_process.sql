-- Marks a worker process and its run as stopping, for example for a deploy. If the process dies afterwards, its death
-- does not count as a crash.
WITH process AS (
    UPDATE public.worker_processes SET state = 'stopping'
    WHERE worker_process_id = %(worker_process_id)s AND state = 'running'
)
UPDATE public.flow_execution_logs SET state = 'stopping'
WHERE worker_process_id = %(worker_process_id)s AND state = 'running'
