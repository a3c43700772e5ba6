-- Conflicts with itself and with no reader or writer of the table. Nobody but its owner can take it.
LOCK TABLE public.schema_version IN SHARE UPDATE EXCLUSIVE MODE NOWAIT
