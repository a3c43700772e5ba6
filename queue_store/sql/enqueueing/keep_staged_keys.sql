-- Keeps only the staged records with these keys. The records that had these keys finished before replace_staging
-- could replace their payloads. So the staged records can be enqueued now.
DELETE FROM pg_temp.processing_queue_staging WHERE dedup_key IS NULL OR dedup_key <> ALL(%(dedup_keys)s)
