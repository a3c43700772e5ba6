-- claim: pending → processing, if the run is running, its flow is not paused, and processing is not stopped. The caller
-- passes the priority levels in the order in which to empty them. Each level has a cursor below which no claimable
-- record is expected. FOR SHARE: once a run has ended or is dead, none of its claims can commit any more. The advisory
-- lock lets rescue find the session of a run (queue_store/runs/sessions.py). MATERIALIZED: otherwise Postgres may
-- execute a sub-select with a LIMIT more than once, and lock too many rows. Only the earliest record of an order_key is
-- claimed. While a record of a key is processing, no other record of the key is claimed. Otherwise a record with a
-- lower id that is committed late would be processed at the same time as another record of its key. If two runs claim
-- records of one key at the same moment, the index processing_queue_running_key refuses the second claim, and the
-- second run repeats its claim. The file queue_store/sql/README.md explains how the planner is steered here
-- (`unindexed`, ARRAY, OFFSET 0).
WITH open AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared(%(session_lock)s) FROM public.flow_execution_logs run
    JOIN public.flows f ON f.flow_name = run.flow_name AND f.paused_at IS NULL
    JOIN public.queue_control c ON c.processing_stopped_at IS NULL
    WHERE run.flow_instance_id = %(flow_instance_id)s AND run.state = 'running'
    FOR SHARE OF run
), candidate AS MATERIALIZED (
    SELECT due.id
    FROM unnest(%(levels)s::smallint[], %(cursor_ats)s::timestamptz[], %(cursor_ids)s::bigint[])
        AS level(priority, cursor_at, cursor_id)
    CROSS JOIN LATERAL (
        SELECT q.id FROM public.unblocked_records q
        WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority
            AND (q.scheduled_at, q.id) >= (level.cursor_at, level.cursor_id)
            AND q.scheduled_at <= now()
            AND q.batch_limit IS NULL
        ORDER BY q.scheduled_at, q.id
        LIMIT %(batch_size)s
        FOR NO KEY UPDATE SKIP LOCKED
    ) due
    WHERE EXISTS (SELECT FROM open)
    LIMIT %(batch_size)s
), claimed AS (
    UPDATE public.processing_queue q
    SET status = 'processing', claimed_at = clock_timestamp(), updated_at = clock_timestamp(),
        flow_instance_id = %(flow_instance_id)s, claim_number = q.claim_number + 1
    WHERE q.id = ANY(ARRAY(SELECT id FROM candidate)) AND public.unindexed(q.status) = 'pending'
    RETURNING q.id, q.claim_number, q.payload, q.priority, q.scheduled_at, q.retry_count, q.crash_strikes,
        q.created_at, q.claimed_at, q.order_key, q.correlation_id, q.trace_context
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, claimed, wait_seconds, wait_histogram)
    SELECT %(flow_name)s, count(*), sum(extract(epoch FROM claimed_at - scheduled_at)),
        ARRAY(SELECT count(c.id) FROM generate_series(0, cardinality(%(bounds)s::float8[])) AS bucket
            LEFT JOIN claimed c
                ON width_bucket(extract(epoch FROM c.claimed_at - c.scheduled_at)::float8, %(bounds)s::float8[]) = bucket
            GROUP BY bucket ORDER BY bucket)
    FROM claimed HAVING count(*) > 0
)
SELECT * FROM claimed ORDER BY priority, scheduled_at, id
