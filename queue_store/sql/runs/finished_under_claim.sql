-- A run executes this statement after a COMMIT that may or may not have happened. For the given claims of the run,
-- returns the records that finished or were retried under these claims. Only this run can have finished or retried
-- them. A pending record that nobody has claimed since is returned with the status `pending`: perhaps this run snoozed
-- the record.
SELECT q.id, q.status
FROM public.processing_queue q
JOIN unnest(%(ids)s::bigint[], %(claim_numbers)s::integer[]) AS o(id, claim_number)
    ON q.id = ANY(ARRAY[o.id]) AND o.claim_number = q.claim_number
WHERE (q.flow_instance_id = %(flow_instance_id)s AND q.status IN ('completed', 'failed', 'cancelled'))
    OR (q.flow_instance_id IS NULL AND public.unindexed(q.status) = 'pending')
UNION ALL
SELECT a.record_id, a.outcome
FROM public.record_attempts a
JOIN unnest(%(ids)s::bigint[], %(claim_numbers)s::integer[]) AS o(id, claim_number)
    ON a.record_id = ANY(ARRAY[o.id]) AND o.claim_number = a.claim_number
WHERE a.flow_instance_id = %(flow_instance_id)s AND a.outcome = 'retried'
