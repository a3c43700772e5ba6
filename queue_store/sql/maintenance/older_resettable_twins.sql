-- The failed records that the weekly task leaves out, because their flow has a newer resettable record with the same
-- dedup_key. resettable.sql says which records are resettable. The task executes this statement once, before its first
-- page: no index finds failed records by their dedup_key, so a search for each record would read all failed records of
-- its flow.
SELECT keyed.id
FROM (
    SELECT q.id, max(q.id) OVER (PARTITION BY q.flow_name, q.dedup_key) AS newest_id
    FROM public.processing_queue q
    WHERE q.status = 'failed' AND q.dedup_key IS NOT NULL AND q.updated_at < %(before)s
        AND q.retry_count < %(max_retries)s AND q.crash_strikes < %(max_crash_strikes)s
        AND NOT EXISTS (
            SELECT FROM public.flows f
            WHERE f.flow_name = q.flow_name AND (f.declared ->> 'weekly_reset' = 'false' OR q.retry_count > f.max_retries
                OR q.crash_strikes >= (f.declared ->> 'max_crash_strikes')::integer))
) keyed
WHERE keyed.id < keyed.newest_id
