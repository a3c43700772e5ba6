-- The runs and worker processes that have neither ended nor been declared dead, with their last heartbeats, as
-- parameters of end_restored.
SELECT coalesce(array_agg(id), '{}') AS ids, coalesce(array_agg(heartbeat_at), '{}') AS heartbeats
FROM (
    SELECT flow_instance_id, heartbeat_at FROM public.flow_execution_logs WHERE state IN ('running', 'stopping')
    UNION ALL
    SELECT worker_process_id, heartbeat_at FROM public.worker_processes WHERE state IN ('running', 'stopping')
) AS living(id, heartbeat_at)
