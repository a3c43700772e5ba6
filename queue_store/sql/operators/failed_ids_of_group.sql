-- The failed records whose last attempt ended with this kind of error. Returns only records of registered flows.
WITH ended AS MATERIALIZED (
    SELECT record_id, claim_number FROM public.record_attempts
    WHERE error_group = %(error_group)s AND flow_name = ANY(ARRAY(SELECT flow_name FROM public.flows))
)
SELECT failed.id FROM ended e
CROSS JOIN LATERAL (
    SELECT q.id FROM public.processing_queue q
    WHERE q.id = e.record_id AND q.claim_number = e.claim_number AND q.status = 'failed'
    OFFSET 0) failed  -- looks up each record by id; otherwise the planner may read every failed record
ORDER BY failed.id
LIMIT %(limit)s
