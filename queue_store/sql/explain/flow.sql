-- The values that a flow's author declared, and the values that operators set for the flow. Returns one row even if no
-- flow has this name.
SELECT now() AS now, f.flow_name IS NOT NULL AS is_registered, f.celery_queue, f.paused_at, f.pause_reason,
    f.ingestion_stopped_at, f.ingestion_stop_reason, c.processing_stopped_at, c.processing_stop_reason,
    c.ingestion_stopped_at AS all_ingestion_stopped_at, c.ingestion_stop_reason AS all_ingestion_stop_reason,
    coalesce(f.max_runs_override, f.max_runs) AS max_runs,
    coalesce(f.orphan_timeout_seconds, 0) AS orphan_timeout_seconds,
    coalesce(f.failure_blocks_key, false) AS failure_blocks_key,
    CASE WHEN f.claims_failed >= 3 AND f.claims_failed_at > now() - interval '10 minutes' THEN f.claims_failing_since END
        AS claims_failing_since, f.claims_error
FROM public.queue_control c
LEFT JOIN public.flows f ON f.flow_name = %(flow_name)s
