-- Of the records with these ids, returns the newest that match the search.
SELECT q.id, q.flow_name, q.status, q.priority, q.scheduled_at, q.created_at, q.updated_at, q.claimed_at, q.started_at,
    q.completed_at, q.retry_count, q.crash_strikes, left(q.error_message, 300) AS error_message
FROM public.processing_queue q
WHERE q.id = ANY(%(candidate_ids)s::bigint[]) AND q.id < %(before_id)s AND q.id >= %(from_id)s
    AND (%(created_from)s::timestamptz IS NULL OR q.created_at >= %(created_from)s)
    AND (%(created_before)s::timestamptz IS NULL OR q.created_at < %(created_before)s)
    AND (%(flow_name)s::text IS NULL OR q.flow_name = %(flow_name)s)
    AND (%(status)s::text IS NULL OR q.status = %(status)s)
    AND (%(error)s::text IS NULL OR position(lower(%(error)s) IN lower(q.error_message)) > 0)
    AND (%(key)s::text IS NULL OR %(key)s IN (q.dedup_key, q.order_key, q.correlation_id))
    AND (%(run_ids)s::uuid[] IS NULL OR q.flow_instance_id = ANY(%(run_ids)s::uuid[])
        OR q.id = ANY(%(run_record_ids)s::bigint[]))
    AND (%(payload_key)s::text IS NULL OR q.payload ? %(payload_key)s)
    AND (%(payload_value)s::text IS NULL OR q.payload ->> %(payload_key)s = %(payload_value)s)
ORDER BY q.id DESC
LIMIT %(limit)s
