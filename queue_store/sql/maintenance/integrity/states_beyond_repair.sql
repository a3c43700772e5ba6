-- Records in a state that no arrow leads to. The correct state of these records cannot be known. Scans the whole table.
SELECT format('%%s record with claimed_at %%s, completed_at %%s, claim_number %%s, retry_count %%s, crash_strikes %%s',
    q.status, q.claimed_at, q.completed_at, q.claim_number, q.retry_count, q.crash_strikes) AS problem, q.id AS record_id
FROM public.processing_queue q
WHERE q.status NOT IN ('pending', 'processing', 'completed', 'failed', 'cancelled')
    OR q.status = 'completed'
        AND (q.completed_at IS NULL OR q.claimed_at IS NULL OR q.completed_at < q.claimed_at OR q.claim_number < 1)
    OR q.retry_count < 0 OR q.crash_strikes < 0 OR q.unfinished_claims < 0
ORDER BY q.id
LIMIT 100
