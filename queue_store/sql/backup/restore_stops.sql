-- If processing or ingestion was stopped before the restore, it stays stopped, even if the backup does not contain the
-- stop.
UPDATE public.queue_control c
SET processing_stopped_at = coalesce(s.processing_stopped_at, c.processing_stopped_at),
    processing_stop_reason = CASE WHEN s.processing_stopped_at IS NULL THEN c.processing_stop_reason
        ELSE s.processing_stop_reason END,
    ingestion_stopped_at = coalesce(s.ingestion_stopped_at, c.ingestion_stopped_at),
    ingestion_stop_reason = CASE WHEN s.ingestion_stopped_at IS NULL THEN c.ingestion_stop_reason
        ELSE s.ingestion_stop_reason END
FROM (VALUES (%s::timestamptz, %s::text, %s::timestamptz, %s::text))
    AS s(processing_stopped_at, processing_stop_reason, ingestion_stopped_at, ingestion_stop_reason)
