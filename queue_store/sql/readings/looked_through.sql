-- A search that found nothing has looked at the next `look_at_most` ids below an id. Returns the lowest of them.
SELECT min(id) FROM (
    SELECT id FROM public.processing_queue WHERE id < %(before_id)s AND id >= %(from_id)s
    ORDER BY id DESC LIMIT %(look_at_most)s) looked_at
