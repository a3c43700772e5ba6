-- How many worker processes are alive, which of them serve the flow, and how many of those are not stopping.
SELECT count(*) AS alive, count(*) FILTER (WHERE %(flow_name)s = ANY(flow_names)) AS serving,
    count(*) FILTER (WHERE %(flow_name)s = ANY(flow_names) AND state = 'running') AS open,
    coalesce(array_agg(worker_process_id) FILTER (WHERE %(flow_name)s = ANY(flow_names)), '{}') AS serving_ids
FROM public.worker_processes
WHERE state IN ('running', 'stopping') AND heartbeat_at >= now() - make_interval(secs => %(lease_seconds)s)
