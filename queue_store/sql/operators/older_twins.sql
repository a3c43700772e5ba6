-- Groups the given failed records by flow and dedup_key, and returns the ids of all but the newest record of each
-- group. A reset in several chunks leaves these records out, because arrows/reset.sql compares only the records of one
-- chunk.
SELECT keyed.id
FROM (
    SELECT q.id, max(q.id) OVER (PARTITION BY q.flow_name, q.dedup_key) AS newest_id
    FROM public.processing_queue q
    WHERE q.id = ANY(%(ids)s::bigint[]) AND public.unindexed(q.status) = 'failed' AND q.dedup_key IS NOT NULL
) keyed
WHERE keyed.id < keyed.newest_id
ORDER BY keyed.id
