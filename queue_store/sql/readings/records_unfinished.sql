-- Finds records of the given status whose ids are below the given id, newest first. The status must have a partial
-- index: the index alone gives the ids, and only the newest `look_at_most` rows are read. Always returns at least one
-- row: its last columns say how many rows were read, and down to which id.
WITH known AS MATERIALIZED (
    SELECT id FROM public.processing_queue q
    WHERE q.id < %(before_id)s AND q.id >= %(from_id)s
        AND (q.status = 'failed' AND %(status)s = 'failed' OR q.status = 'processing' AND %(status)s = 'processing'
            OR q.status = 'pending' AND %(status)s = 'pending')
        AND (%(flow_name)s::text IS NULL OR q.flow_name = %(flow_name)s)
), looked_at AS MATERIALIZED (
    SELECT id FROM known ORDER BY id DESC LIMIT %(look_at_most)s
), found AS MATERIALIZED (
    SELECT q.id FROM looked_at
    JOIN public.processing_queue q USING (id)
    WHERE q.status = %(status)s AND q.id <> ALL(%(known_ids)s::bigint[])
        AND (%(created_from)s::timestamptz IS NULL OR q.created_at >= %(created_from)s)
        AND (%(created_before)s::timestamptz IS NULL OR q.created_at < %(created_before)s)
        AND (%(error)s::text IS NULL OR position(lower(%(error)s) IN lower(q.error_message)) > 0)
        AND (%(key)s::text IS NULL OR %(key)s IN (q.dedup_key, q.order_key, q.correlation_id))
        AND (%(run_ids)s::uuid[] IS NULL OR q.flow_instance_id = ANY(%(run_ids)s::uuid[])
            OR q.id = ANY(%(run_record_ids)s::bigint[]))
        AND (%(payload_key)s::text IS NULL OR q.payload ? %(payload_key)s)
        AND (%(payload_value)s::text IS NULL OR q.payload ->> %(payload_key)s = %(payload_value)s)
    ORDER BY q.id DESC
    LIMIT %(limit)s
)
SELECT q.id, q.flow_name, q.status, q.priority, q.scheduled_at, q.created_at, q.updated_at, q.claimed_at, q.started_at,
    q.completed_at, q.retry_count, q.crash_strikes, left(q.error_message, 300) AS error_message,
    looked.through_id, looked.count AS looked_count
FROM (SELECT min(id) AS through_id, count(*) AS count FROM looked_at) looked
LEFT JOIN (found JOIN public.processing_queue q USING (id)) ON true
ORDER BY q.id DESC
