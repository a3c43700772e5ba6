-- Changes the priority of pending records. A locked record may be in a slice, so it keeps its priority. Returns the ids
-- of the changed records.
WITH pending AS MATERIALIZED (
    SELECT q.id FROM public.processing_queue q
    WHERE q.id = ANY(%(ids)s::bigint[]) AND public.unindexed(q.status) = 'pending'
    ORDER BY q.id
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE public.processing_queue q SET priority = %(priority)s, updated_at = clock_timestamp()
WHERE q.id = ANY(ARRAY(SELECT id FROM pending))
RETURNING q.id
