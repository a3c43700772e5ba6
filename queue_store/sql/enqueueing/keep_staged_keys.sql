-- Keeps only the staged records with these keys, so that enqueue_staging tries only these records again. The pending
-- records that had these keys were finished or claimed before replace_staging could replace their payloads.
DELETE FROM pg_temp.processing_queue_staging WHERE dedup_key IS NULL OR dedup_key <> ALL(%(dedup_keys)s)
