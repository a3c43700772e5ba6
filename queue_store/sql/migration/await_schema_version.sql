-- Waits for the lock of the other migrator. This is a separate statement, so that it waits without a snapshot. A
-- snapshot would block the other migrator's CREATE INDEX CONCURRENTLY.
LOCK TABLE public.schema_version IN SHARE UPDATE EXCLUSIVE MODE
