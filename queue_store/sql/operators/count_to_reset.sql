-- The number of the given records that a reset would make pending. Only failed records count, and only one for each
-- dedup_key of a flow. A record does not count if an unfinished record of its flow has the same dedup_key.
SELECT count(*) FILTER (WHERE q.dedup_key IS NULL)
    + count(DISTINCT (q.flow_name, q.dedup_key)) FILTER (WHERE q.dedup_key IS NOT NULL)
FROM public.processing_queue q
WHERE q.id = ANY(%(ids)s::bigint[]) AND public.unindexed(q.status) = 'failed'
    AND (q.dedup_key IS NULL OR NOT EXISTS (
        SELECT FROM public.processing_queue twin
        WHERE twin.flow_name = q.flow_name AND twin.dedup_key = q.dedup_key
            AND twin.status IN ('pending', 'processing')
        OFFSET 0))
