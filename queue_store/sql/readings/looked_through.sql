-- The lowest of the next so many ids below an id: through where a search that found nothing has looked.
SELECT min(id) FROM (
    SELECT id FROM public.processing_queue WHERE id < %(before_id)s AND id >= %(from_id)s
    ORDER BY id DESC LIMIT %(look_at_most)s) looked_at
