-- Finds the record that must finish before the given record can be claimed. The record to wait for has the same
-- order_key, and is either `processing` or an earlier record that blocks the key. If there are several, the earliest is
-- returned.
SELECT q.id, q.status FROM public.processing_queue q
WHERE q.flow_name = %(flow_name)s AND q.order_key = %(order_key)s AND q.id <> %(id)s
    AND (q.status = 'processing' OR q.id < %(id)s AND public.blocks_key(q.status, %(failure_blocks_key)s))
ORDER BY q.id
LIMIT 1
