-- purge: finished → gone. Deletes the records that the caller names, if they are finished. Triggers delete the rows
-- that belong to these records in other tables.
WITH finished AS MATERIALIZED (
    SELECT q.id FROM public.processing_queue q
    WHERE q.id = ANY(%(ids)s::bigint[]) AND q.status IN ('completed', 'failed', 'cancelled')
    ORDER BY q.id
    FOR UPDATE
)
DELETE FROM public.processing_queue q WHERE q.id = ANY(ARRAY(SELECT id FROM finished))
RETURNING q.id
