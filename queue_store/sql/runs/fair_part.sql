-- A run executes this statement before it holds more records than an ordinary batch has. Returns the number of
-- processes that could work on the flow, including the run's own process, and the number of due records that the run's
-- cursors have not passed. Records held by other processes are counted too, so that all processes get equal parts. The
-- count of due records stops at `most_each` times the number of processes, or at `most` if that is smaller.
WITH fleet AS MATERIALIZED (
    SELECT least(coalesce(f.max_runs_override, f.max_runs), greatest(1, alive.runs + idle.processes)) AS processes
    FROM public.flows f
    CROSS JOIN LATERAL (
        SELECT count(*) AS runs FROM public.flow_execution_logs r
        WHERE r.flow_name = f.flow_name AND r.state IN ('running', 'stopping')
    ) alive
    CROSS JOIN LATERAL (
        SELECT count(*) AS processes FROM public.worker_processes w
        WHERE w.state = 'running' AND f.flow_name = ANY(w.flow_names) AND NOT EXISTS (
            SELECT FROM public.flow_execution_logs r
            WHERE r.worker_process_id = w.worker_process_id AND r.state IN ('running', 'stopping'))
    ) idle
    WHERE f.flow_name = %(flow_name)s
), bound AS MATERIALIZED (
    SELECT least(processes * %(most_each)s::bigint, %(most)s::bigint) AS most FROM fleet
)
SELECT fleet.processes, bound.most, (
    SELECT count(*) FROM (
        SELECT FROM unnest(%(levels)s::smallint[], %(cursor_ats)s::timestamptz[], %(cursor_ids)s::bigint[])
            AS level(priority, cursor_at, cursor_id)
        CROSS JOIN LATERAL (
            SELECT FROM public.processing_queue q
            WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority
                AND (q.scheduled_at, q.id) >= (level.cursor_at, level.cursor_id)
                AND q.scheduled_at <= now()
            ORDER BY q.scheduled_at, q.id
            LIMIT (SELECT most FROM bound)
        ) due
        LIMIT (SELECT most FROM bound)
    ) counted) AS due
FROM fleet CROSS JOIN bound
