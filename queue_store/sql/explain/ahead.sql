-- How many due records of the flow come before the given record in the order of claims, counted up to the limit.
SELECT count(*) FROM (
    SELECT of_level.id FROM generate_series(0, %(priority)s) AS level(priority)
    CROSS JOIN LATERAL (
        SELECT q.id FROM public.processing_queue q
        WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority::smallint
            AND q.scheduled_at <= now() AND q.batch_limit IS NULL
            AND (level.priority < %(priority)s OR (q.scheduled_at, q.id) < (%(scheduled_at)s, %(id)s))
        ORDER BY q.scheduled_at, q.id
        LIMIT %(limit)s) of_level
    LIMIT %(limit)s) ahead
