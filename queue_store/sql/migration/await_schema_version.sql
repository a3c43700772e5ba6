-- Waits for the lock of the other migrator. It is a separate statement, because it has no snapshot while it waits.
-- The other migrator's CREATE INDEX CONCURRENTLY would wait for a snapshot.
LOCK TABLE public.schema_version IN SHARE UPDATE EXCLUSIVE MODE
