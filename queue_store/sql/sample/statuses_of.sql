-- The statuses of some records, for a caller that waits for these records.
SELECT id, status FROM public.processing_queue WHERE id = ANY(%(ids)s)
