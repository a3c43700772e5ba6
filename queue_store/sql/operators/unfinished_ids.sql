-- The records that a cancel should change: the flow's pending records and, with `include_running`, also its processing
-- records.
SELECT q.id FROM public.processing_queue q
WHERE q.flow_name = %(flow_name)s
    AND (q.status = 'pending' OR q.status = 'processing' AND %(include_running)s)
ORDER BY q.id
LIMIT %(limit)s
