-- Two or more unfinished records of one flow with the same dedup_key.
SELECT format('%%s live records of %%s with the dedup_key %%s', count(*), flow_name, dedup_key) AS problem,
    max(id) AS record_id
FROM (
    SELECT id, flow_name, dedup_key FROM public.processing_queue
    WHERE dedup_key IS NOT NULL AND status IN ('pending', 'processing')
    ORDER BY flow_name, dedup_key LIMIT %(limit)s) q
GROUP BY flow_name, dedup_key
HAVING count(*) > 1
LIMIT 100
