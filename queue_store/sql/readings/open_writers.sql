-- The transactions that write to processing_queue at this moment, or have done so and are still open.
SELECT DISTINCT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relation = 'public.processing_queue'::regclass AND mode = 'RowExclusiveLock'
