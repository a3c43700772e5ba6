-- The stops and pauses by operators; those that apply to all flows come first. The transaction that stops something
-- also writes an audit row; `actor` comes from this row. A stop by a plain UPDATE has no audit row. An audit row of a
-- stop that changed nothing is ignored.
SELECT s.what, s.flow_name, s.since, s.reason, extract(epoch FROM clock_timestamp() - s.since)::float8 AS seconds,
    (SELECT a.actor FROM public.audit_log a
        WHERE a.at BETWEEN s.since AND s.since + interval '1 minute' AND a.action = s.action
            AND a.target = coalesce(s.flow_name, 'all flows') AND a.affected_count > 0
        ORDER BY a.at LIMIT 1) AS actor
FROM (
    SELECT 'processing stopped' AS what, 'stop_processing' AS action, NULL AS flow_name,
        processing_stopped_at AS since, processing_stop_reason AS reason
    FROM public.queue_control WHERE processing_stopped_at IS NOT NULL
    UNION ALL
    SELECT 'ingestion stopped', 'stop_ingestion', NULL, ingestion_stopped_at, ingestion_stop_reason
    FROM public.queue_control WHERE ingestion_stopped_at IS NOT NULL
    UNION ALL
    SELECT 'paused', 'pause', flow_name, paused_at, pause_reason FROM public.flows WHERE paused_at IS NOT NULL
    UNION ALL
    SELECT 'ingestion stopped', 'stop_flow_ingestion', flow_name, ingestion_stopped_at, ingestion_stop_reason
    FROM public.flows WHERE ingestion_stopped_at IS NOT NULL) s
ORDER BY s.flow_name NULLS FIRST, s.what DESC
