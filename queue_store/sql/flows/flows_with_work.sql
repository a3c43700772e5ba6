-- The flows with claimable records, except paused flows and the flow `except_flow_name`. With `celery_queues`, only the
-- flows of these Celery queues are returned. Returns no row while processing is stopped. For each flow, returns how
-- many records can be claimed (counted up to a bound), and how long the oldest of the counted records has waited. Also
-- returns how many runs are alive, how many runs the flow may have, how many worker processes serve the flow, and the
-- lowest number of flows that one of these processes serves. In a flow with order keys, a record is counted only if it
-- has no key or is the first of its key. The query steps from key to key, and makes at most `key_limit` steps. If these
-- steps do not reach the last key, the query also checks the oldest due records of each priority. The steps begin after
-- the flow's key in `stopped_at_keys`. If the flow has no key there, they begin with its first key. If this look finds
-- nothing, the next look goes on after the key in the column `stopped_at_key`. The column is NULL if no key is left. A
-- flow that has a `stopped_at_key`, or whose steps began after a key, is returned even if it has no claimable record.
SELECT found.*, serving.worker_processes, serving.fewest_flows
FROM (
    SELECT f.flow_name, f.celery_queue, coalesce(f.batch_size_override, f.batch_size) AS batch_size,
        due.records AS due_records, due.waited_seconds, due.stopped_at_key, alive.runs AS alive_runs,
        coalesce(f.max_runs_override, f.max_runs) AS max_runs
    FROM public.flows f
    CROSS JOIN public.queue_control c
    LEFT JOIN unnest(%(stopped_flow_names)s::text[], %(stopped_at_keys)s::text[]) AS stopped(flow_name, after_key)
        ON stopped.flow_name = f.flow_name
    CROSS JOIN LATERAL (
        SELECT count(*) > 0 AS are_there FROM (
            SELECT FROM public.processing_queue q
            WHERE q.flow_name = f.flow_name AND q.order_key > '' AND q.status IN ('pending', 'processing', 'failed')
            ORDER BY q.order_key, q.id LIMIT 1
        ) first
    ) keyed
    CROSS JOIN LATERAL (
        WITH RECURSIVE keys(step, order_key, id, status, scheduled_at) AS (
            SELECT 0, coalesce(stopped.after_key, ''), NULL::bigint, NULL::text, NULL::timestamptz WHERE keyed.are_there
            UNION ALL
            SELECT keys.step + 1, following.* FROM keys
            CROSS JOIN LATERAL (
                SELECT q.order_key, q.id, q.status, q.scheduled_at FROM public.processing_queue q
                WHERE q.flow_name = f.flow_name AND q.order_key > keys.order_key
                    AND public.blocks_key(q.status, f.failure_blocks_key)
                ORDER BY q.order_key, q.id LIMIT 1
            ) following
            WHERE keys.step < %(key_limit)s
        ), head AS MATERIALIZED (
            SELECT id, scheduled_at FROM keys
            WHERE status = 'pending' AND scheduled_at <= now() AND NOT EXISTS (
                SELECT FROM public.running_keys running
                WHERE running.flow_name = f.flow_name AND running.order_key = keys.order_key OFFSET 0)
            LIMIT %(count_limit)s
        ), last AS MATERIALIZED (
            SELECT keys.order_key, keys.step = %(key_limit)s AS has_stopped FROM keys
            WHERE (SELECT count(*) FROM head) < %(count_limit)s
            ORDER BY keys.step DESC LIMIT 1
        )
        SELECT count(*) AS records,
            coalesce(extract(epoch FROM now() - min(d.scheduled_at)), 0)::float8 AS waited_seconds,
            (SELECT order_key FROM last WHERE has_stopped) AS stopped_at_key
        FROM (
            SELECT due.scheduled_at FROM generate_series(0, 9) AS level(priority)
            CROSS JOIN LATERAL (
                SELECT q.scheduled_at FROM public.processing_queue q
                WHERE q.status = 'pending' AND q.flow_name = f.flow_name AND q.priority = level.priority::smallint
                    AND q.scheduled_at <= now()
                ORDER BY q.scheduled_at, q.id
                LIMIT %(count_limit)s
            ) due
            WHERE NOT keyed.are_there
            UNION ALL
            SELECT due.scheduled_at FROM generate_series(0, 9) AS level(priority)
            CROSS JOIN LATERAL (
                SELECT q.scheduled_at FROM public.processing_queue q
                WHERE q.status = 'pending' AND q.flow_name = f.flow_name AND q.priority = level.priority::smallint
                    AND q.scheduled_at <= now() AND q.order_key IS NULL
                ORDER BY q.scheduled_at, q.id
                LIMIT %(count_limit)s
            ) due
            WHERE keyed.are_there
            UNION ALL
            SELECT scheduled_at FROM (
                SELECT id, scheduled_at FROM head
                UNION
                SELECT q.id, q.scheduled_at FROM last
                CROSS JOIN generate_series(0, 9) AS level(priority)
                CROSS JOIN LATERAL (
                    SELECT q.id, q.order_key FROM public.processing_queue q
                    WHERE q.status = 'pending' AND q.flow_name = f.flow_name AND q.priority = level.priority::smallint
                        AND q.scheduled_at <= now()
                    ORDER BY q.scheduled_at, q.id
                    LIMIT %(count_limit)s
                ) oldest
                CROSS JOIN LATERAL (
                    SELECT q.id, q.scheduled_at FROM public.unblocked_records q
                    WHERE q.id = ANY(ARRAY[oldest.id])
                ) q
                WHERE oldest.order_key > '' AND (last.has_stopped OR stopped.after_key > '')
                LIMIT %(count_limit)s
            ) keyed_due
        ) d
    ) due
    CROSS JOIN LATERAL (
        SELECT count(*) AS runs FROM public.flow_execution_logs r
        WHERE r.flow_name = f.flow_name AND r.state IN ('running', 'stopping')
    ) alive
    WHERE f.flow_name IS DISTINCT FROM %(except_flow_name)s AND f.paused_at IS NULL AND c.processing_stopped_at IS NULL
        AND (due.records > 0 OR due.stopped_at_key > '' OR stopped.after_key > '')
        AND (%(celery_queues)s::text[] IS NULL OR f.celery_queue = ANY(%(celery_queues)s::text[]))
    OFFSET 0
) found
CROSS JOIN LATERAL (
    SELECT count(*) AS worker_processes, min(cardinality(w.flow_names)) AS fewest_flows
    FROM public.worker_processes w
    WHERE w.state = 'running' AND found.flow_name = ANY(w.flow_names)
) serving
ORDER BY found.waited_seconds DESC
