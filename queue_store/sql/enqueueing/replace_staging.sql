-- Updates the pending records with these keys, in id order. Each pending record takes the values of the last staged
-- record with the same key. Where the staged record gives no value, the pending record keeps its own. Returns
-- (dedup_key, id, whether the payload was replaced). The payload of a processing record is not replaced. A key is
-- missing from the result if its record has already finished, or is claimed while this statement runs. Each record is
-- looked up by its key, and then by its id, even if the statistics are old. See queue_store/sql/README.md.
WITH latest AS MATERIALIZED (
    SELECT DISTINCT ON (flow_name, dedup_key) flow_name, dedup_key, payload, priority, scheduled_at, order_key,
        correlation_id, trace_context
    FROM pg_temp.processing_queue_staging WHERE dedup_key = ANY(%(dedup_keys)s)
    ORDER BY flow_name, dedup_key, position DESC
), live AS MATERIALIZED (
    SELECT twin.id, twin.status, l.dedup_key, l.payload, l.priority, l.scheduled_at, l.order_key, l.correlation_id,
        l.trace_context
    FROM latest l
    CROSS JOIN LATERAL (
        SELECT q.id, q.status FROM public.processing_queue q
        WHERE q.flow_name = l.flow_name AND q.dedup_key = l.dedup_key AND q.status IN ('pending', 'processing')
        LIMIT 1
    ) twin
), pending AS MATERIALIZED (
    SELECT q.id FROM public.processing_queue q
    WHERE q.id = ANY(ARRAY(SELECT id FROM live WHERE status = 'pending')) AND public.unindexed(q.status) = 'pending'
    ORDER BY q.id
    FOR NO KEY UPDATE
), replaced AS (
    UPDATE public.processing_queue q
    SET payload = live.payload, updated_at = clock_timestamp(), priority = coalesce(live.priority, q.priority),
        scheduled_at = coalesce(live.scheduled_at, q.scheduled_at),
        order_key = coalesce(live.order_key, q.order_key),
        correlation_id = coalesce(live.correlation_id, q.correlation_id),
        trace_context = coalesce(live.trace_context, q.trace_context)
    FROM live JOIN pending USING (id) WHERE q.id = ANY(ARRAY[live.id])
    RETURNING q.id
)
SELECT live.dedup_key, live.id, replaced.id IS NOT NULL
FROM live LEFT JOIN replaced USING (id) WHERE replaced.id IS NOT NULL OR live.status = 'processing'
