SELECT coalesce((SELECT id FROM public.processing_queue ORDER BY id LIMIT 1), 0),
    coalesce((SELECT id FROM public.processing_queue ORDER BY id DESC LIMIT 1), 0)
