-- Ends a short run (runs/succession.py), in the transaction that writes the run's remaining outcomes. The run ends only
-- if none of its records is processing, and its flow has neither a due record nor a pending suspect. The run is settled
-- at the same time, so rescue need not look for records of this run. This statement may wait while a heartbeat locks
-- the run's row. The run makes no new claim during this wait, because it claims from one thread at a time. A due record
-- keeps the run alive, because only the next claim can find out whether the record can be claimed. `now()` would be too
-- early: it is the beginning of the transaction, and a slice may have run since then. The sub-select reads the clock
-- only once, so the search in the index can stop at that time.
UPDATE public.flow_execution_logs
SET state = 'ended', finished_at = clock_timestamp(), heartbeat_at = clock_timestamp(), settled_at = clock_timestamp(),
    leaves_unfinished = false,
    batch_count = %(batch_count)s, records_claimed = %(records_claimed)s, records_completed = %(records_completed)s,
    records_retried = %(records_retried)s, records_failed = %(records_failed)s, records_snoozed = %(records_snoozed)s,
    records_released = %(records_released)s, records_cancelled = %(records_cancelled)s, records_refused = %(records_refused)s
WHERE flow_instance_id = %(flow_instance_id)s AND state IN ('running', 'stopping')
    AND NOT EXISTS (
        SELECT FROM public.processing_queue q
        WHERE q.flow_instance_id = %(flow_instance_id)s AND q.status = 'processing')
    AND NOT EXISTS (
        SELECT FROM unnest(%(levels)s::smallint[]) AS level(priority)
        CROSS JOIN LATERAL (
            SELECT FROM public.processing_queue q
            WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority
                AND q.scheduled_at <= (SELECT clock_timestamp()) AND q.batch_limit IS NULL
            ORDER BY q.scheduled_at, q.id
            LIMIT 1
        ) due)
    AND NOT EXISTS (
        SELECT FROM public.processing_queue q
        WHERE q.flow_name = %(flow_name)s AND q.status = 'pending' AND q.batch_limit IS NOT NULL)
RETURNING flow_instance_id
