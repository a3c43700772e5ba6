-- How many of the given records a cancel would end at once, and how many it would only ask to stop. Every pending
-- record counts as one that would end at once, even if it is locked.
SELECT count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'processing')
FROM public.processing_queue
WHERE id = ANY(%(ids)s::bigint[]) AND status IN ('pending', 'processing')
