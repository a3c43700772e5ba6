-- The same for records that are not completed or cancelled, where there are few: a partial index knows them all.
SELECT id, flow_name, status, priority, scheduled_at, created_at, updated_at, claimed_at, started_at, completed_at,
    retry_count, crash_strikes, left(error_message, 300) AS error_message, NULL::bigint AS looked_through_id
FROM processing_queue q
WHERE q.id < %(before_id)s AND q.id >= %(from_id)s
    AND (q.status = 'failed' AND %(status)s = 'failed' OR q.status = 'processing' AND %(status)s = 'processing'
        OR q.status = 'pending' AND %(status)s = 'pending')
    AND (%(flow_name)s::text IS NULL OR q.flow_name = %(flow_name)s)
    AND (%(error)s::text IS NULL OR position(lower(%(error)s) IN lower(q.error_message)) > 0)
    AND (%(key)s::text IS NULL OR %(key)s IN (q.dedup_key, q.order_key, q.correlation_id))
    AND (%(payload_key)s::text IS NULL OR q.payload ? %(payload_key)s)
    AND (%(payload_value)s::text IS NULL OR q.payload ->> %(payload_key)s = %(payload_value)s)
ORDER BY q.id DESC
LIMIT %(limit)s
