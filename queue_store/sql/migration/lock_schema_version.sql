-- Takes a lock that only one session can hold, and that conflicts with no reader or writer of the table. Only the owner
-- of the table can take this lock.
LOCK TABLE public.schema_version IN SHARE UPDATE EXCLUSIVE MODE NOWAIT
