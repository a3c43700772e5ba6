-- Takes a lock that blocks vacuum, but no reader or writer. A stronger lock that is taken afterwards
-- need not wait for vacuum.
LOCK TABLE public.processing_queue IN SHARE UPDATE EXCLUSIVE MODE
