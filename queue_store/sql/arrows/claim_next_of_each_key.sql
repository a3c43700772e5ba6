-- claim: pending → processing, of the first record of each order_key. This claim is for flows in which most due records
-- wait for an earlier record of their key. The statement steps from key to key, and starts after a given key. After the
-- last key, the statement goes on with the first key, up to the given key. Records that wait for an earlier record of
-- their key are never read. One claim makes at most `key_limit` steps, and considers at most a thousand keys whose
-- first record can be claimed. If these steps have not seen all keys, the claim also looks at the keys of the latest
-- two batches. The next claim starts after another key, so it finds other records. The statement locks the run's row
-- only after the steps from key to key, because the run's heartbeats wait for this lock.
WITH RECURSIVE flow AS MATERIALIZED (
    SELECT f.failure_blocks_key FROM public.flows f WHERE f.flow_name = %(flow_name)s
), keys(step, order_key, is_around, id, status, priority, scheduled_at, batch_limit) AS (
    SELECT 0, %(after_key)s::text, false, NULL::bigint, NULL::text, NULL::smallint, NULL::timestamptz, NULL::smallint
    UNION ALL
    SELECT keys.step + 1, following.*
    FROM keys
    CROSS JOIN LATERAL (
        (SELECT q.order_key, keys.is_around, q.id, q.status, q.priority, q.scheduled_at, q.batch_limit
            FROM public.processing_queue q
            WHERE q.flow_name = %(flow_name)s AND q.order_key > keys.order_key
                AND public.blocks_key(q.status, (SELECT failure_blocks_key FROM flow))
                AND (NOT keys.is_around OR q.order_key <= %(after_key)s::text)
            ORDER BY q.order_key, q.id LIMIT 1)
        UNION ALL
        (SELECT q.order_key, true, q.id, q.status, q.priority, q.scheduled_at, q.batch_limit
            FROM public.processing_queue q
            WHERE q.flow_name = %(flow_name)s AND q.order_key <= %(after_key)s::text AND NOT keys.is_around
                AND public.blocks_key(q.status, (SELECT failure_blocks_key FROM flow))
            ORDER BY q.order_key, q.id LIMIT 1)
        LIMIT 1
    ) following
    WHERE keys.step < %(key_limit)s
), head AS MATERIALIZED (
    SELECT id, priority, scheduled_at FROM (
        SELECT order_key, id, status, priority, scheduled_at, batch_limit FROM keys
        UNION ALL
        SELECT latest.order_key, first.*
        FROM unnest(%(latest_keys)s::text[]) AS latest(order_key)
        CROSS JOIN LATERAL (
            SELECT q.id, q.status, q.priority, q.scheduled_at, q.batch_limit FROM public.processing_queue q
            WHERE q.flow_name = %(flow_name)s AND q.order_key = latest.order_key
                AND public.blocks_key(q.status, (SELECT failure_blocks_key FROM flow))
            ORDER BY q.order_key, q.id LIMIT 1
        ) first
        WHERE (SELECT max(step) FROM keys) = %(key_limit)s
            AND latest.order_key NOT IN (SELECT keys.order_key FROM keys WHERE keys.step > 0)
    ) seen
    WHERE status = 'pending' AND batch_limit IS NULL AND scheduled_at <= now() AND NOT EXISTS (
        SELECT FROM public.running_keys running
        WHERE running.flow_name = %(flow_name)s AND running.order_key = seen.order_key OFFSET 0)
    LIMIT 1000
), chosen AS MATERIALIZED (
    SELECT id FROM head
    ORDER BY %(is_aging)s AND priority <> (SELECT h.priority FROM head h ORDER BY h.scheduled_at, h.id LIMIT 1),
        priority, scheduled_at, id
    LIMIT %(batch_size)s
), open AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared(%(session_lock)s) FROM public.flow_execution_logs run
    JOIN public.flows f ON f.flow_name = run.flow_name AND f.paused_at IS NULL
    JOIN public.queue_control c ON c.processing_stopped_at IS NULL
    WHERE run.flow_instance_id = %(flow_instance_id)s AND run.state = 'running'
        AND EXISTS (SELECT FROM chosen)
    FOR SHARE OF run
), candidate AS MATERIALIZED (
    SELECT q.id FROM public.processing_queue q
    WHERE EXISTS (SELECT FROM open) AND q.id = ANY(ARRAY(SELECT id FROM chosen))
        AND public.unindexed(q.status) = 'pending' AND q.scheduled_at <= now()
        AND q.batch_limit IS NULL AND q.claim_number < 2147483647
    FOR NO KEY UPDATE SKIP LOCKED
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
