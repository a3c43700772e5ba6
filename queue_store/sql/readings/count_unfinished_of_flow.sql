-- How many records of a flow are due, how many wait for their time, and how many are processing. Each count stops at
-- the limit.
SELECT
    (SELECT count(*) FROM (
        SELECT FROM generate_series(0, 9) AS level(priority)
        CROSS JOIN LATERAL (
            SELECT FROM public.processing_queue q
            WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority::smallint
                AND q.scheduled_at <= now()
            ORDER BY q.scheduled_at, q.id LIMIT %(limit)s) of_level LIMIT %(limit)s) due) AS due,
    (SELECT count(*) FROM (
        SELECT FROM generate_series(0, 9) AS level(priority)
        CROSS JOIN LATERAL (
            SELECT FROM public.processing_queue q
            WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority::smallint
                AND q.scheduled_at > now()
            ORDER BY q.scheduled_at, q.id LIMIT %(limit)s) of_level LIMIT %(limit)s) future) AS future,
    (SELECT count(*) FROM (
        SELECT FROM public.processing_queue q WHERE q.status = 'processing' AND q.flow_name = %(flow_name)s
        ORDER BY q.flow_instance_id, q.id LIMIT %(limit)s) processing) AS processing
