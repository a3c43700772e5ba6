-- Conflicts with vacuum and with no reader or writer. To take a stronger lock afterwards, nobody has to wait for vacuum.
LOCK TABLE public.processing_queue IN SHARE UPDATE EXCLUSIVE MODE
