-- The first record whose id is at least the given id, and when that record was created.
SELECT id, created_at FROM public.processing_queue WHERE id >= %(id)s ORDER BY id LIMIT 1
