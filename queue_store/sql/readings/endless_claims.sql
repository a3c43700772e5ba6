-- Records that were claimed again and again without an outcome, by flow. This query uses the index of isolated records.
-- The index of processing records would be slower: it has dead entries of all records claimed since the last vacuum.
SELECT flow_name, count(*) AS record_count, max(unfinished_claims) AS most_claims, (array_agg(id ORDER BY id))[1:10] AS record_ids
FROM public.processing_queue
WHERE batch_limit IS NOT NULL AND status IN ('pending', 'processing') AND unfinished_claims >= %(max_unfinished_claims)s
GROUP BY flow_name
ORDER BY flow_name
