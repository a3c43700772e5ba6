-- The priority level of a flow whose oldest record that can be claimed has waited longest.
SELECT level.priority
FROM generate_series(0, 9) AS level(priority)
CROSS JOIN LATERAL (
    SELECT q.scheduled_at FROM processing_queue q
    WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority::smallint
        AND q.scheduled_at <= now()
        AND q.batch_limit IS NULL
        AND (q.order_key IS NULL OR NOT EXISTS (
            SELECT FROM processing_queue earlier
            WHERE earlier.flow_name = q.flow_name AND earlier.order_key = q.order_key AND earlier.id < q.id
                AND (earlier.status IN ('pending', 'processing')
                    OR earlier.status = 'failed' AND %(failure_blocks_key)s)))
    ORDER BY q.scheduled_at, q.id
    LIMIT 1
) oldest
ORDER BY oldest.scheduled_at
LIMIT 1
