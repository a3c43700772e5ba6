-- enqueue: → pending, for the staged rows that duplicate neither an unfinished record nor an earlier staged row.
-- Rows are inserted in the order of dedup_key, so that two bulk calls with the same keys do not deadlock. Returns each
-- duplicate's position and key, and the id of the unfinished record that has this key. The id is NULL if this
-- statement began before that record was committed.
WITH inserted AS (
    INSERT INTO public.processing_queue (id, flow_name, payload, priority, scheduled_at, dedup_key, order_key, correlation_id,
        trace_context)
    SELECT id, flow_name, payload, coalesce(priority, 5), coalesce(scheduled_at, now()), dedup_key, order_key, correlation_id, trace_context
    FROM pg_temp.processing_queue_staging
    ORDER BY dedup_key COLLATE "C", position
    ON CONFLICT (flow_name, dedup_key) WHERE dedup_key IS NOT NULL AND status IN ('pending', 'processing') DO NOTHING
    RETURNING id, dedup_key
)
SELECT s.position, s.dedup_key, coalesce(sibling.id, twin.id)
FROM pg_temp.processing_queue_staging s
LEFT JOIN inserted sibling ON sibling.dedup_key = s.dedup_key
LEFT JOIN LATERAL (
    SELECT q.id FROM public.processing_queue q
    WHERE sibling.id IS NULL AND q.flow_name = s.flow_name AND q.dedup_key = s.dedup_key
        AND q.status IN ('pending', 'processing')
    LIMIT 1
) twin ON true
WHERE NOT EXISTS (SELECT FROM inserted i WHERE i.id = s.id)
ORDER BY s.position
