-- The lock of one who migrates, in its turn. A statement of its own: while it waits it has no snapshot, for which a
-- CREATE INDEX CONCURRENTLY of the other one would wait.
LOCK TABLE public.schema_version IN SHARE UPDATE EXCLUSIVE MODE
