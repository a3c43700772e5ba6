-- A run died while no handler ran, but one of its records was not written yet: that record becomes a suspect, and is
-- not struck this time. No row back: it was one already, or there are several, which become suspects as they do
-- elsewhere.
UPDATE public.processing_queue q
SET batch_limit = 1, updated_at = clock_timestamp()
WHERE q.status = 'processing' AND q.flow_instance_id = %(flow_instance_id)s AND q.batch_limit IS NULL
    AND NOT EXISTS (
        SELECT FROM public.processing_queue other
        WHERE other.status = 'processing' AND other.flow_instance_id = q.flow_instance_id AND other.id <> q.id)
RETURNING q.id
