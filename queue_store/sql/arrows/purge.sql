-- purge: finished → gone, the lowest ids first. Returns the ids of the purged records. Triggers delete the rows that
-- belong to these records in other tables.
WITH victim AS MATERIALIZED (
    SELECT q.id FROM public.processing_queue q
    WHERE q.id > %(after_id)s AND q.status = %(status)s AND q.status IN ('completed', 'failed', 'cancelled')
        AND coalesce(q.completed_at, q.updated_at) < now() - %(older_than)s::interval
        AND q.retry_count >= %(retry_count_at_least)s
        AND (%(flow_name)s::text IS NULL OR q.flow_name = %(flow_name)s)
    ORDER BY q.id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
DELETE FROM public.processing_queue q WHERE q.id = ANY(ARRAY(SELECT id FROM victim))
RETURNING q.id
