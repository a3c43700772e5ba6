-- Keeps only the staged records with these keys. The unfinished records that had the keys finished before
-- replace_staging could replace their payloads, so the staged records can be enqueued now.
DELETE FROM pg_temp.processing_queue_staging WHERE dedup_key IS NULL OR dedup_key <> ALL(%(dedup_keys)s)
