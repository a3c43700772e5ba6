-- Returns (dedup_key, id, whether it is processing) of the flow's unfinished records that have one of these dedup keys.
-- LATERAL and LIMIT make the planner look up each key in the index. If the planner believes that the table is empty,
-- its plan for an array or a plain join reads all records of the flow.
SELECT wanted.dedup_key, twin.id, twin.status = 'processing'
FROM unnest(%(dedup_keys)s::text[]) AS wanted(dedup_key)
CROSS JOIN LATERAL (
    SELECT q.id, q.status FROM public.processing_queue q
    WHERE q.flow_name = %(flow_name)s AND q.dedup_key = wanted.dedup_key AND q.status IN ('pending', 'processing')
    LIMIT 1
) twin
