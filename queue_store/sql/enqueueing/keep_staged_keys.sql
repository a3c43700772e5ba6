-- Keeps only the staged records with these keys. The live twins of these records ended before their payloads could
-- be replaced.
DELETE FROM pg_temp.processing_queue_staging WHERE dedup_key IS NULL OR dedup_key <> ALL(%(dedup_keys)s)
