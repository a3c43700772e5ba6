-- The named flows in which every due record waits for an earlier record of its order_key, and no record with an
-- order_key is being processed. So nothing can be claimed, however many workers there are. A record that can be claimed
-- keeps its flow out of the result only if it became due at least `grace_seconds` ago. A record that is being processed
-- does so only if it became due or was claimed at least `grace_seconds` ago. The caller names flows with due records.
-- The statement first steps from key to key, until it finds a record that can be claimed, or a key whose record is
-- being processed. The statement needs one more step for each failed record that does not block its key. If `key_limit`
-- steps find no claimable record and no key that is being processed, the flow is left out, because its other keys are
-- not known. Then the statement looks for a due record without an order_key. If it has read `record_limit` due records
-- and all have an order_key, the flow is left out, because the statement does not read the flow's other records. The
-- newest records come first, because the oldest lie behind the dead index entries of all records that were claimed
-- since the last vacuum.
SELECT named.flow_name
FROM unnest(%(flow_names)s::text[]) AS named(flow_name)
LEFT JOIN public.flows f ON f.flow_name = named.flow_name
CROSS JOIN (SELECT now() - make_interval(secs => %(grace_seconds)s::float8) AS moving_since) grace
WHERE CASE WHEN EXISTS (
    WITH RECURSIVE keys(order_key, after_id, status, scheduled_at, step) AS (
        SELECT ''::text, 9223372036854775807, NULL::text, NULL::timestamptz, 0
        UNION ALL
        SELECT following.order_key,
            CASE WHEN public.blocks_key(following.status, coalesce(f.failure_blocks_key, false))
                THEN 9223372036854775807 ELSE following.id END,
            following.status, following.scheduled_at, keys.step + 1
        FROM keys
        CROSS JOIN LATERAL (
            SELECT q.order_key, q.id, q.status, q.scheduled_at FROM public.processing_queue q
            WHERE q.flow_name = named.flow_name AND q.order_key >= keys.order_key
                AND (q.order_key, q.id) > (keys.order_key, keys.after_id)
                AND q.status IN ('pending', 'processing', 'failed')
            ORDER BY q.order_key, q.id LIMIT 1
        ) following
        WHERE keys.step < %(key_limit)s
    )
    SELECT FROM keys
    WHERE step = %(key_limit)s OR status = 'pending' AND scheduled_at <= grace.moving_since OR EXISTS (
        SELECT FROM public.processing_queue running
        WHERE running.flow_name = named.flow_name AND running.order_key = keys.order_key
            AND public.unindexed(running.status) = 'processing'
            AND least(running.scheduled_at, running.claimed_at) <= grace.moving_since OFFSET 0)
) THEN false ELSE NOT EXISTS (
    SELECT FROM (
        SELECT due.order_key, row_number() OVER () AS number
        FROM generate_series(0, 9) AS level(priority)
        CROSS JOIN LATERAL (
            SELECT q.order_key FROM public.processing_queue q
            WHERE q.status = 'pending' AND q.flow_name = named.flow_name AND q.priority = level.priority::smallint
                AND q.scheduled_at <= grace.moving_since
            ORDER BY q.scheduled_at DESC, q.id DESC LIMIT %(record_limit)s
        ) due
    ) looked_at
    WHERE looked_at.order_key IS NULL OR looked_at.number = %(record_limit)s
) END
