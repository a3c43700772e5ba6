-- The statuses of some records, for somebody who waits for them.
SELECT id, status FROM public.processing_queue WHERE id = ANY(%(ids)s)
