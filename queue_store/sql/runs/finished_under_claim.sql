-- A run executes this statement after a COMMIT that may or may not have happened. Returns the given records that
-- finished under this run's own claims, with their statuses. Only this run can have finished them.
SELECT q.id, q.status
FROM public.processing_queue q
JOIN unnest(%(ids)s::bigint[], %(claim_numbers)s::integer[]) AS o(id, claim_number)
    ON q.id = ANY(ARRAY[o.id]) AND o.claim_number = q.claim_number
WHERE q.flow_instance_id = %(flow_instance_id)s AND q.status IN ('completed', 'failed', 'cancelled')
