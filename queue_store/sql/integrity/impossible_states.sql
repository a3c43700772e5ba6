-- Records in a state that no arrow leads to. Scans the whole table.
SELECT format('%%s record with claimed_at %%s, flow_instance_id %%s, completed_at %%s, claim_number %%s',
    q.status, q.claimed_at, q.flow_instance_id, q.completed_at, q.claim_number) AS problem, q.id AS record_id
FROM processing_queue q
WHERE q.status NOT IN ('pending', 'processing', 'completed', 'failed', 'cancelled')
    OR q.status = 'pending'
        AND (q.claimed_at IS NOT NULL OR q.flow_instance_id IS NOT NULL OR q.completed_at IS NOT NULL)
    OR q.status = 'processing'
        AND (q.claimed_at IS NULL OR q.flow_instance_id IS NULL OR q.completed_at IS NOT NULL OR q.claim_number < 1)
    OR q.status = 'completed'
        AND (q.completed_at IS NULL OR q.claimed_at IS NULL OR q.completed_at < q.claimed_at OR q.claim_number < 1)
    OR q.status = 'failed' AND (q.error_message IS NULL OR q.completed_at IS NOT NULL)
    OR q.claimed_at > now() + interval '1 minute' OR q.updated_at > now() + interval '1 minute'
    OR q.retry_count < 0 OR q.crash_strikes < 0
ORDER BY q.id
LIMIT 100
