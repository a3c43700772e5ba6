-- The open transactions that have written to processing_queue, or are writing to it now.
SELECT DISTINCT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relation = 'public.processing_queue'::regclass AND mode = 'RowExclusiveLock'
