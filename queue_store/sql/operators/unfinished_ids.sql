-- The pending records of a flow that a cancel should change, and also the flow's processing records if
-- `include_running`.
SELECT q.id FROM public.processing_queue q
WHERE q.flow_name = %(flow_name)s
    AND (q.status = 'pending' OR q.status = 'processing' AND %(include_running)s)
ORDER BY q.id
LIMIT %(limit)s
