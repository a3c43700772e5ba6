UPDATE public.queue_control SET ingestion_stopped_at = NULL, ingestion_stop_reason = NULL
WHERE ingestion_stopped_at IS NOT NULL
RETURNING 'all flows'
