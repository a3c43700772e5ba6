-- Records that were claimed again and again without an outcome, by flow. While they wait the index of
-- suspects knows them, and while they are claimed that of the processing ones.
SELECT flow_name, count(*) AS record_count, max(unfinished_claims) AS most_claims, (array_agg(id ORDER BY id))[1:10] AS record_ids
FROM public.processing_queue
WHERE (batch_limit IS NOT NULL AND status = 'pending' OR status = 'processing') AND unfinished_claims >= %(max_unfinished_claims)s
GROUP BY flow_name
ORDER BY flow_name
