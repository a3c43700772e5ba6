-- Every INSERT is refused, except the records that runs enqueue.
UPDATE public.queue_control SET ingestion_stopped_at = clock_timestamp(), ingestion_stop_reason = %(reason)s
WHERE ingestion_stopped_at IS NULL
RETURNING 'all flows'
