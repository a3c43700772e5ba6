-- Moves one chunk of pending and failed records from the name `flow_name` to the flow `to_flow_name`, in the order of
-- the ids. No registered flow has the old name. The counts of both names change in the same transaction. A pending
-- record stays if an unfinished record of `to_flow_name` has the same dedup_key. Returns the id of each record of the
-- chunk, with its status, or with NULL if the record was not moved. `OR` instead of `IN`: so Postgres can combine the
-- partial indexes of the two statuses.
WITH chosen AS MATERIALIZED (
    SELECT q.id, q.status, q.dedup_key FROM public.processing_queue q
    WHERE q.flow_name = %(flow_name)s AND (q.status = 'pending' OR q.status = 'failed') AND q.id > %(after_id)s
    ORDER BY q.id
    LIMIT %(limit)s
    FOR UPDATE
), moved AS (
    UPDATE public.processing_queue q SET flow_name = %(to_flow_name)s, updated_at = clock_timestamp()
    FROM chosen c
    WHERE q.id = ANY(ARRAY[c.id]) AND NOT (
        c.status = 'pending' AND c.dedup_key IS NOT NULL AND EXISTS (
            SELECT FROM public.processing_queue twin
            WHERE twin.flow_name = %(to_flow_name)s AND twin.dedup_key = c.dedup_key
                AND twin.status IN ('pending', 'processing')))
    RETURNING q.id, q.status
), attempts AS (
    UPDATE public.record_attempts a SET flow_name = %(to_flow_name)s FROM moved m WHERE a.record_id = ANY(ARRAY[m.id])
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, purged, enqueued, failed_adjusted)
    SELECT %(flow_name)s, count(*), 0, -count(*) FILTER (WHERE status = 'failed') FROM moved HAVING count(*) > 0
    UNION ALL
    SELECT %(to_flow_name)s, 0, count(*), count(*) FILTER (WHERE status = 'failed') FROM moved HAVING count(*) > 0
)
SELECT c.id, m.status FROM chosen c LEFT JOIN moved m USING (id) ORDER BY c.id
