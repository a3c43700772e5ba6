-- Of the given failed records of one flow with the same dedup_key, returns the ids of all but the newest. A reset in
-- several chunks leaves them out, because arrows/reset.sql compares only the records of one chunk.
SELECT keyed.id
FROM (
    SELECT q.id, max(q.id) OVER (PARTITION BY q.flow_name, q.dedup_key) AS newest_id
    FROM public.processing_queue q
    WHERE q.id = ANY(%(ids)s::bigint[]) AND q.status = 'failed' AND q.dedup_key IS NOT NULL
) keyed
WHERE keyed.id < keyed.newest_id
ORDER BY keyed.id
