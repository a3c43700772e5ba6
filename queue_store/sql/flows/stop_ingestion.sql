-- From now on every new record is refused, except recurring records, restored records, and the records that runs
-- enqueue.
UPDATE public.queue_control SET ingestion_stopped_at = clock_timestamp(), ingestion_stop_reason = %(reason)s
WHERE ingestion_stopped_at IS NULL
RETURNING 'all flows'
