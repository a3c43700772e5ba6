-- Attempts that cannot have happened: their claim was never made, or their record does not exist.
SELECT format('there is an attempt of claim %%s, but the record %%s', a.claim_number,
    CASE WHEN q.id IS NULL THEN 'does not exist' WHEN q.claim_number = 1 THEN 'was claimed once'
        ELSE format('was claimed %%s times', q.claim_number) END) AS problem,
    a.record_id
FROM (SELECT record_id, claim_number FROM public.record_attempts ORDER BY finished_at DESC LIMIT %(limit)s) a
LEFT JOIN public.processing_queue q ON q.id = a.record_id
WHERE q.id IS NULL OR q.claim_number < a.claim_number
LIMIT 100
