-- Returns three numbers for a move of records from `flow_name` to `to_flow_name`: how many pending records would move,
-- how many failed records would move, and how many pending records would stay. As in move_records, a pending record
-- stays if an unfinished record of `to_flow_name` has the same dedup_key. If `to_flow_name` is NULL, the number of
-- records that would stay is 0.
SELECT count(*) FILTER (WHERE NOT p.stays),
    (SELECT count(*) FROM public.processing_queue q WHERE q.flow_name = %(flow_name)s AND q.status = 'failed'),
    count(*) FILTER (WHERE p.stays)
FROM (
    SELECT q.dedup_key IS NOT NULL AND EXISTS (
        SELECT FROM public.processing_queue twin
        WHERE twin.flow_name = %(to_flow_name)s::text AND twin.dedup_key = q.dedup_key
            AND twin.status IN ('pending', 'processing')
        OFFSET 0) AS stays
    FROM public.processing_queue q
    WHERE q.flow_name = %(flow_name)s AND q.status = 'pending'
    OFFSET 0) p
