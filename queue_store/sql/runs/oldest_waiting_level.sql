-- Returns the priority level whose oldest claimable record has waited longest. Each level has a cursor below which
-- no claimable record is expected, as in arrows/claim.sql.
SELECT level.priority
FROM unnest(%(levels)s::smallint[], %(cursor_ats)s::timestamptz[], %(cursor_ids)s::bigint[])
    AS level(priority, cursor_at, cursor_id)
CROSS JOIN LATERAL (
    SELECT q.scheduled_at FROM public.unblocked_records q
    WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority
        AND (q.scheduled_at, q.id) >= (level.cursor_at, level.cursor_id)
        AND q.scheduled_at <= now()
        AND q.batch_limit IS NULL
    ORDER BY q.scheduled_at, q.id
    LIMIT 1
) oldest
ORDER BY oldest.scheduled_at
LIMIT 1
