-- From now on no worker claims records, but running handlers finish.
UPDATE public.queue_control SET processing_stopped_at = clock_timestamp(), processing_stop_reason = %(reason)s
WHERE processing_stopped_at IS NULL
RETURNING 'all flows'
