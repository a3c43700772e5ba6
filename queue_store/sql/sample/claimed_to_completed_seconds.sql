-- The time from the first claim to the last completion of the given records.
SELECT extract(epoch FROM max(completed_at) - min(claimed_at))::double precision
FROM public.processing_queue
WHERE id = ANY(%(ids)s) AND status = 'completed'
