-- The ids of the pending or the failed records that match a search. Pending records have one partial index, and failed
-- records have another.
SELECT q.id
FROM public.processing_queue q
WHERE q.id < %(before_id)s AND q.id >= %(from_id)s
    AND (q.status = 'failed' AND %(status)s = 'failed' OR q.status = 'pending' AND %(status)s = 'pending')
    AND (%(created_from)s::timestamptz IS NULL OR q.created_at >= %(created_from)s)
    AND (%(created_before)s::timestamptz IS NULL OR q.created_at < %(created_before)s)
    AND (%(flow_name)s::text IS NULL OR q.flow_name = %(flow_name)s)
    AND (%(error)s::text IS NULL OR position(lower(%(error)s) IN lower(q.error_message)) > 0)
    AND (%(key)s::text IS NULL OR %(key)s IN (q.dedup_key, q.order_key, q.correlation_id))
    AND (%(group_ids)s::bigint[] IS NULL OR q.id = ANY(%(group_ids)s::bigint[]))
    AND (%(run_ids)s::uuid[] IS NULL OR q.flow_instance_id = ANY(%(run_ids)s::uuid[])
        OR q.id = ANY(%(run_record_ids)s::bigint[]))
    AND (%(payload_key)s::text IS NULL OR q.payload ? %(payload_key)s)
    AND (%(payload_value)s::text IS NULL OR q.payload ->> %(payload_key)s = %(payload_value)s)
LIMIT %(limit)s
