-- Failed records that the weekly task may reset, page by page. Such a record has fewer failed attempts than
-- `max_retries`, and its flow would have given it another attempt. The flow does not declare `weekly_reset: false`, as
-- a Celery task does. The record did not fail because of crash strikes (a flow may declare its own limit of strikes).
-- The record failed before the reset began (`before`). The record's flow has no unfinished record and no newer
-- resettable record with the same dedup_key.
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
        WHERE twin.flow_name = q.flow_name AND twin.dedup_key = q.dedup_key AND twin.id <> q.id
            AND (twin.status IN ('pending', 'processing')
                OR twin.status = 'failed' AND twin.id > q.id AND twin.retry_count < %(max_retries)s
                    AND twin.crash_strikes < %(max_crash_strikes)s AND twin.updated_at < %(before)s
                    AND NOT EXISTS (
                        SELECT FROM public.flows f
                        WHERE f.flow_name = twin.flow_name AND (twin.retry_count > f.max_retries
                            OR twin.crash_strikes >= (f.declared ->> 'max_crash_strikes')::integer)))))
ORDER BY q.flow_name, q.updated_at, q.id
LIMIT %(limit)s
