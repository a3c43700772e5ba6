-- Registers a new run, unless its flow is paused, processing is stopped, or the flow already has as many living runs as
-- it allows. Because the flow's row is locked, simultaneous registrations cannot exceed this limit. A run with a
-- `predecessor` is registered only if the predecessor has ended. Returns the flow's batch size (operators can change
-- it), whether the flow has suspects to claim, and whether the run may begin with an express slice instead of a claim.
-- The run may begin with a slice if `wants_slice` is true, a record is due, and the flow has no other living run,
-- because such a run could hold all due records.
WITH flow AS MATERIALIZED (
    SELECT f.flow_name, coalesce(f.max_runs_override, f.max_runs) AS cap,
        coalesce(f.batch_size_override, f.batch_size) AS batch_size
    FROM public.flows f
    WHERE f.flow_name = %(flow_name)s AND f.paused_at IS NULL
        AND EXISTS (SELECT FROM public.queue_control c WHERE c.processing_stopped_at IS NULL)
        AND (%(predecessor)s::uuid IS NULL OR EXISTS (
            SELECT FROM public.flow_execution_logs p
            WHERE p.flow_instance_id = %(predecessor)s AND p.state = 'ended'))
    FOR NO KEY UPDATE
), registered AS (
    INSERT INTO public.flow_execution_logs (flow_instance_id, flow_name, worker_process_id, celery_task_id)
    SELECT %(flow_instance_id)s, flow.flow_name, %(worker_process_id)s, %(celery_task_id)s
    FROM flow
    WHERE flow.cap IS NULL OR flow.cap > (
        SELECT count(*) FROM public.flow_execution_logs r
        WHERE r.flow_name = flow.flow_name AND r.state IN ('running', 'stopping'))
    RETURNING flow_instance_id
)
SELECT flow.batch_size, EXISTS (
    SELECT FROM public.processing_queue q
    WHERE q.flow_name = %(flow_name)s AND q.status = 'pending' AND q.batch_limit IS NOT NULL) AS has_suspects,
    %(wants_slice)s::boolean AND NOT EXISTS (
        SELECT FROM public.flow_execution_logs r
        WHERE r.flow_name = %(flow_name)s AND r.state IN ('running', 'stopping'))
    AND EXISTS (
        SELECT FROM generate_series(0, 9) AS level(priority)
        CROSS JOIN LATERAL (
            SELECT FROM public.processing_queue q
            WHERE q.status = 'pending' AND q.flow_name = %(flow_name)s AND q.priority = level.priority::smallint
                AND q.scheduled_at <= now() AND q.batch_limit IS NULL
            ORDER BY q.scheduled_at, q.id
            LIMIT 1
        ) due) AS slice_may_come_first
FROM registered CROSS JOIN flow
