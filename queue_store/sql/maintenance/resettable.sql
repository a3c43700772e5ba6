-- One page of the failed records that the weekly task may reset. Such a record has fewer failed attempts than
-- `max_retries`, and has attempts left under its flow's own limit. The flow does not declare `weekly_reset: false`.
-- This leaves out the records of Celery tasks, because their flows always declare `weekly_reset: false`. The number of
-- the record's crash strikes is below `max_crash_strikes`, and below the flow's own limit if the flow declares one. The
-- record failed before the reset began (`before`). The record's flow has no unfinished record with the same dedup_key.
-- older_resettable_twins.sql finds failed records that have a newer twin. A page may contain such records: the task
-- leaves them out.
SELECT q.flow_name, q.updated_at, q.id
FROM public.processing_queue q
WHERE q.status = 'failed' AND q.retry_count < %(max_retries)s AND q.crash_strikes < %(max_crash_strikes)s
    AND NOT EXISTS (
        SELECT FROM public.flows f
        WHERE f.flow_name = q.flow_name AND (f.declared ->> 'weekly_reset' = 'false' OR q.retry_count > f.max_retries
            OR q.crash_strikes >= (f.declared ->> 'max_crash_strikes')::integer))
    AND (q.flow_name, q.updated_at, q.id) > (%(after_flow_name)s, %(after_updated_at)s, %(after_id)s)
    AND q.updated_at < %(before)s
    AND (q.dedup_key IS NULL OR NOT EXISTS (
        SELECT FROM public.processing_queue twin
        WHERE twin.flow_name = q.flow_name AND twin.dedup_key = q.dedup_key
            AND twin.status IN ('pending', 'processing')
        OFFSET 0))
ORDER BY q.flow_name, q.updated_at, q.id
LIMIT %(limit)s
