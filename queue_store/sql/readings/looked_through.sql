-- A search reads the next `look_at_most` ids below the given id. If none of them matches, this statement returns the
-- lowest of the ids that the search has read.
SELECT min(id) FROM (
    SELECT id FROM public.processing_queue WHERE id < %(before_id)s AND id >= %(from_id)s
    ORDER BY id DESC LIMIT %(look_at_most)s) looked_at
