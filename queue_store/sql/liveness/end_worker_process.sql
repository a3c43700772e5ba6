UPDATE public.worker_processes SET state = 'ended', ended_at = clock_timestamp()
WHERE worker_process_id = %(worker_process_id)s AND state IN ('running', 'stopping')
