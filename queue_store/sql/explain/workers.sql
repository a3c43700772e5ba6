-- Counts the living worker processes: all of them (`alive`), those that serve the flow (`serving`), and those that
-- serve the flow and are not stopping (`open`). Also returns the ids of the processes that serve the flow.
SELECT count(*) AS alive, count(*) FILTER (WHERE %(flow_name)s = ANY(flow_names)) AS serving,
    count(*) FILTER (WHERE %(flow_name)s = ANY(flow_names) AND state = 'running') AS open,
    coalesce(array_agg(worker_process_id) FILTER (WHERE %(flow_name)s = ANY(flow_names)), '{}') AS serving_ids
FROM public.worker_processes
WHERE state IN ('running', 'stopping') AND heartbeat_at >= now() - make_interval(secs => %(lease_seconds)s)
