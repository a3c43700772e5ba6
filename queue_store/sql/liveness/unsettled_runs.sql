SELECT flow_instance_id, state FROM public.flow_execution_logs
WHERE state IN ('ended', 'dead') AND settled_at IS NULL
ORDER BY finished_at
LIMIT %(limit)s
