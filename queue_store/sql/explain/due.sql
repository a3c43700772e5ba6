-- The pending records of a flow. Returns the number of due records, the oldest due record (its due time, id and
-- order_key), the time at which the next future record is due, and the number of isolated records. The counts of due
-- and of isolated records stop at the limit.
SELECT due.record_count AS due_count, oldest.due_at AS oldest_due_at, oldest.id AS oldest_due_id,
    oldest.order_key AS oldest_due_key, future.next_at AS next_due_at, suspects.record_count AS suspect_count
FROM (
    SELECT count(*) AS record_count FROM (
        SELECT FROM generate_series(0, 9) AS level(priority)
        CROSS JOIN LATERAL (
            SELECT FROM public.processing_queue q
            WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority::smallint
                AND q.scheduled_at <= now()
            ORDER BY q.scheduled_at, q.id
            LIMIT %(limit)s) of_level
        LIMIT %(limit)s) capped) due,
(
    SELECT min(of_level.scheduled_at) AS due_at,
        (array_agg(of_level.id ORDER BY of_level.scheduled_at, of_level.id))[1] AS id,
        (array_agg(of_level.order_key ORDER BY of_level.scheduled_at, of_level.id))[1] AS order_key
    FROM generate_series(0, 9) AS level(priority)
    CROSS JOIN LATERAL (
        SELECT q.scheduled_at, q.id, q.order_key FROM public.processing_queue q
        WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority::smallint
            AND q.scheduled_at <= now()
        ORDER BY q.scheduled_at, q.id
        LIMIT 1) of_level) oldest,
(
    SELECT min(of_level.scheduled_at) AS next_at FROM generate_series(0, 9) AS level(priority)
    CROSS JOIN LATERAL (
        SELECT q.scheduled_at FROM public.processing_queue q
        WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority::smallint
            AND q.scheduled_at > now()
        ORDER BY q.scheduled_at, q.id
        LIMIT 1) of_level) future,
(
    SELECT count(*) AS record_count FROM (
        SELECT FROM public.processing_queue q
        WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.batch_limit IS NOT NULL
        LIMIT %(limit)s) capped) suspects
