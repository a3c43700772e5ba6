-- What operators stopped, for all flows first.
SELECT 'processing stopped' AS what, NULL AS flow_name, processing_stopped_at AS since, processing_stop_reason AS reason
FROM queue_control WHERE processing_stopped_at IS NOT NULL
UNION ALL
SELECT 'ingestion stopped', NULL, ingestion_stopped_at, ingestion_stop_reason
FROM queue_control WHERE ingestion_stopped_at IS NOT NULL
UNION ALL
SELECT 'paused', flow_name, paused_at, pause_reason FROM flows WHERE paused_at IS NOT NULL
UNION ALL
SELECT 'ingestion stopped', flow_name, ingestion_stopped_at, ingestion_stop_reason
FROM flows WHERE ingestion_stopped_at IS NOT NULL
