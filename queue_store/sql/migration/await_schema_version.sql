-- Waits for the lock of the other migrator. This is a separate statement, so that it has no snapshot while it waits:
-- the other migrator's CREATE INDEX CONCURRENTLY would wait for that snapshot.
LOCK TABLE public.schema_version IN SHARE UPDATE EXCLUSIVE MODE
