-- The earliest record of the same key that has to finish first: an earlier record, or one that is running.
SELECT q.id, q.status FROM public.processing_queue q
WHERE q.flow_name = %(flow_name)s AND q.order_key = %(order_key)s AND q.id <> %(id)s
    AND (q.status = 'processing' OR q.id < %(id)s AND public.blocks_key(q.status, %(failure_blocks_key)s))
ORDER BY q.id
LIMIT 1
