-- The priority level of a flow whose oldest due record has waited longest.
SELECT level.priority
FROM generate_series(0, 9) AS level(priority)
CROSS JOIN LATERAL (
    SELECT q.scheduled_at FROM processing_queue q
    WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority::smallint
        AND q.scheduled_at <= now()
    ORDER BY q.scheduled_at, q.id
    LIMIT 1
) oldest
ORDER BY oldest.scheduled_at
LIMIT 1
