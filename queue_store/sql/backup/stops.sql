-- Reads the stops. The columns are in the order of the parameters of restore_stops.
SELECT processing_stopped_at, processing_stop_reason, ingestion_stopped_at, ingestion_stop_reason
FROM public.queue_control
FOR UPDATE
