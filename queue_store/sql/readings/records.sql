-- Records with lower ids than the given id, newest first. To bound the time, the statement reads at most `look_at_most`
-- rows, however few match. The last column is the lowest id that was read. If the page is not full, the next page
-- begins below this lowest id. Ids are only roughly in the order of creation, so the statement also compares the dates.
WITH looked_at AS MATERIALIZED (
    SELECT * FROM public.processing_queue
    WHERE id < %(before_id)s AND id >= %(from_id)s
    ORDER BY id DESC
    LIMIT %(look_at_most)s
)
SELECT id, flow_name, status, priority, scheduled_at, created_at, updated_at, claimed_at, started_at, completed_at,
    retry_count, crash_strikes, left(error_message, 300) AS error_message,
    (SELECT min(id) FROM looked_at) AS looked_through_id
FROM looked_at q
WHERE q.id <> ALL(%(known_ids)s::bigint[])
    AND (%(created_from)s::timestamptz IS NULL OR q.created_at >= %(created_from)s)
    AND (%(created_before)s::timestamptz IS NULL OR q.created_at < %(created_before)s)
    AND (%(status)s::text IS NULL OR q.status = %(status)s)
    AND (%(flow_name)s::text IS NULL OR q.flow_name = %(flow_name)s)
    AND (%(error)s::text IS NULL OR position(lower(%(error)s) IN lower(q.error_message)) > 0)
    AND (%(key)s::text IS NULL OR %(key)s IN (q.dedup_key, q.order_key, q.correlation_id))
    AND (%(run_ids)s::uuid[] IS NULL OR q.flow_instance_id = ANY(%(run_ids)s::uuid[])
        OR q.id = ANY(%(run_record_ids)s::bigint[]))
    AND (%(payload_key)s::text IS NULL OR q.payload ? %(payload_key)s)
    AND (%(payload_value)s::text IS NULL OR q.payload ->> %(payload_key)s = %(payload_value)s)
ORDER BY q.id DESC
LIMIT %(limit)s
