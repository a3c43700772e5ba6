-- In the order in which restore_stops takes them.
SELECT processing_stopped_at, processing_stop_reason, ingestion_stopped_at, ingestion_stop_reason
FROM public.queue_control
FOR UPDATE
