-- How many of these records a cancel would end at once, and how many it would ask to stop.
SELECT count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'processing')
FROM public.processing_queue
WHERE id = ANY(%(ids)s::bigint[]) AND status IN ('pending', 'processing')
