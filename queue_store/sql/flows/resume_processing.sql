UPDATE public.queue_control SET processing_stopped_at = NULL, processing_stop_reason = NULL
WHERE processing_stopped_at IS NOT NULL
RETURNING 'all flows'
