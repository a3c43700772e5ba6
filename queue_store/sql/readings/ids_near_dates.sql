-- According to a binary search, the records between two dates have ids that are at least `from_id` and below
-- `before_id`. Records whose ids are not in the order of creation can lie outside of this range. So the statement reads
-- `near` records on each side, and widens the result to the farthest records within the dates.
SELECT
    coalesce((SELECT min(id) FROM (
        SELECT id, created_at FROM public.processing_queue WHERE id < %(from_id)s ORDER BY id DESC LIMIT %(near)s) lower
    WHERE created_at >= %(created_from)s::timestamptz
        AND (%(created_before)s::timestamptz IS NULL OR created_at < %(created_before)s)), %(from_id)s),
    coalesce((SELECT max(id) + 1 FROM (
        SELECT id, created_at FROM public.processing_queue WHERE id >= %(before_id)s ORDER BY id LIMIT %(near)s) higher
    WHERE created_at < %(created_before)s::timestamptz
        AND (%(created_from)s::timestamptz IS NULL OR created_at >= %(created_from)s)), %(before_id)s)
