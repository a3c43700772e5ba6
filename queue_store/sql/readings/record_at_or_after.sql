-- The first record whose id is not below this one, and when it was created.
SELECT id, created_at FROM public.processing_queue WHERE id >= %(id)s ORDER BY id LIMIT 1
