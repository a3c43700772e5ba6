WITH behind AS MATERIALIZED (
    SELECT max(q.id) AS id FROM public.processing_queue q
    HAVING max(q.id) > coalesce(
        pg_sequence_last_value(pg_get_serial_sequence('public.processing_queue', 'id')::regclass), 0)
), moved AS (
    SELECT CASE WHEN %(dry_run)s THEN 0 ELSE setval(pg_get_serial_sequence('public.processing_queue', 'id'), id) END AS value
    FROM behind
)
SELECT behind.id FROM behind, moved WHERE moved.value >= 0 AND %(limit)s > 0
