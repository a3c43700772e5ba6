-- Unfinished or failed records in a state that no arrow leads to. Reads at most `limit` records of each status. The
-- pending records are read backwards from the end of their index. A scan from the beginning would first read the dead
-- entries of all records that were claimed since the last vacuum. With `at_a_glance`, the records of busy runs are left
-- out. Every LIMIT on processing_queue follows an ORDER BY that fits a partial index: otherwise the planner may read
-- millions of finished rows.
SELECT format('%%s record with claimed_at %%s, flow_instance_id %%s, completed_at %%s, claim_number %%s',
    q.status, q.claimed_at, q.flow_instance_id, q.completed_at, q.claim_number) AS problem, q.id AS record_id
FROM (
    (SELECT id, status, claimed_at, flow_instance_id, completed_at, claim_number, error_message, updated_at
        FROM public.processing_queue WHERE status = 'pending'
        ORDER BY flow_name DESC, priority DESC, scheduled_at DESC, id DESC LIMIT %(limit)s)
    UNION ALL
    SELECT id, status, claimed_at, flow_instance_id, completed_at, claim_number, error_message, updated_at
        FROM public.processing_but_of_runs(ARRAY(SELECT flow_instance_id FROM public.busy_runs() WHERE %(at_a_glance)s), %(limit)s)
    UNION ALL
    (SELECT id, status, claimed_at, flow_instance_id, completed_at, claim_number, error_message, updated_at
        FROM public.processing_queue WHERE status = 'failed'
        ORDER BY flow_name, updated_at, id LIMIT %(limit)s)
) q
WHERE q.status = 'pending'
        AND (q.claimed_at IS NOT NULL OR q.flow_instance_id IS NOT NULL OR q.completed_at IS NOT NULL)
    OR q.status = 'processing'
        AND (q.claimed_at IS NULL OR q.flow_instance_id IS NULL OR q.completed_at IS NOT NULL OR q.claim_number < 1)
    OR q.status = 'failed' AND (q.error_message IS NULL OR q.completed_at IS NOT NULL)
    OR q.claimed_at > now() + interval '1 minute' OR q.updated_at > now() + interval '1 minute'
LIMIT 100
