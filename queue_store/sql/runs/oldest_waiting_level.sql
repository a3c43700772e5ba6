-- The priority level of a flow whose oldest record that can be claimed has waited longest. Each level comes with the
-- cursor below which nothing is expected, as in claim.sql.
SELECT level.priority
FROM unnest(%(levels)s::smallint[], %(cursor_ats)s::timestamptz[], %(cursor_ids)s::bigint[])
    AS level(priority, cursor_at, cursor_id)
CROSS JOIN LATERAL (
    SELECT q.scheduled_at FROM processing_queue q
    WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority
        AND (q.scheduled_at, q.id) >= (level.cursor_at, level.cursor_id)
        AND q.scheduled_at <= now()
        AND q.batch_limit IS NULL
        AND (q.order_key IS NULL OR NOT EXISTS (
            SELECT FROM processing_queue earlier
            WHERE earlier.flow_name = q.flow_name AND earlier.order_key = q.order_key AND earlier.id < q.id
                AND earlier.status IN ('pending', 'processing', 'failed')
                AND (earlier.status <> 'failed' OR %(failure_blocks_key)s))
            AND NOT EXISTS (
                SELECT FROM processing_queue running
                WHERE running.flow_name = q.flow_name AND running.order_key = q.order_key
                    AND unindexed(running.status) = 'processing' OFFSET 0))
    ORDER BY q.scheduled_at, q.id
    LIMIT 1
) oldest
ORDER BY oldest.scheduled_at
LIMIT 1
