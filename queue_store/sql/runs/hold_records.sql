-- Locks the next due records for an express slice, in the order of arrows/claim.sql and from the same positions
-- (`cursor_at`, `cursor_id`). The records stay pending. Returns the claim number that the slice will write.
-- `may_be_express`: if it is false for one record, all records must be claimed in the normal way. A lock leaves its
-- xmax in the row, after COMMIT and after ROLLBACK, until the row is updated or frozen. If an earlier slice held the
-- record and ended without an outcome for it, xmax is not 0. Such a record is claimed in the normal way, and so is a
-- record that failed before. So while its xmax lasts, a record has at most one express attempt. `is_one_commit`: the
-- handlers write in this transaction, so the records of the slice cannot be claimed while a handler runs. With
-- `is_one_commit`, `may_be_express` is false for a record with a dedup_key. If the record's own handler replaced the
-- payload, the record would be completed, but its new payload would never be processed. Any other session that replaces
-- the payload would have to wait for the handler. The run's row is not locked here, because the run's heartbeat would
-- wait for the handlers. The statement that writes the outcomes checks the run (arrows/complete_held.sql).
WITH open AS MATERIALIZED (
    SELECT FROM public.flow_execution_logs run
    JOIN public.flows f ON f.flow_name = run.flow_name AND f.paused_at IS NULL
    JOIN public.queue_control c ON c.processing_stopped_at IS NULL
    WHERE run.flow_instance_id = %(flow_instance_id)s AND run.state = 'running'
), held AS MATERIALIZED (
    SELECT due.*
    FROM unnest(%(levels)s::smallint[], %(cursor_ats)s::timestamptz[], %(cursor_ids)s::bigint[])
        AS level(priority, cursor_at, cursor_id)
    CROSS JOIN LATERAL (
        SELECT q.id, q.claim_number + 1 AS claim_number, q.payload, q.priority, q.scheduled_at, q.retry_count,
            q.crash_strikes, q.created_at, now() AS claimed_at, q.order_key, q.correlation_id, q.trace_context,
            q.xmax = 0 AND q.order_key IS NULL AND q.retry_count = 0 AND q.crash_strikes = 0 AND q.unfinished_claims = 0
                AND (q.dedup_key IS NULL OR NOT %(is_one_commit)s::boolean) AS may_be_express
        FROM public.processing_queue q
        WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority
            AND (q.scheduled_at, q.id) >= (level.cursor_at, level.cursor_id)
            AND q.scheduled_at <= now()
            AND q.batch_limit IS NULL AND q.claim_number < 2147483647
        ORDER BY q.scheduled_at, q.id
        LIMIT %(batch_size)s
        FOR NO KEY UPDATE SKIP LOCKED
    ) due
    WHERE EXISTS (SELECT FROM open)
    LIMIT %(batch_size)s
)
SELECT * FROM held ORDER BY priority, scheduled_at, id
