SELECT r.flow_name, count(*) AS run_count, min(r.started_at) AS oldest_started_at,
    sum(r.records_claimed)::bigint AS records_claimed
FROM public.flow_execution_logs r
WHERE r.state IN ('running', 'stopping')
GROUP BY r.flow_name
ORDER BY r.flow_name
