-- Registers a new run, unless its flow is paused or already has as many living runs as it allows. The lock on the flow
-- makes this limit exact. Returns the flow's batch size, which operators can change at run time, and whether the flow
-- has suspects to claim.
WITH flow AS MATERIALIZED (
    SELECT f.flow_name, coalesce(f.max_runs_override, f.max_runs) AS cap,
        coalesce(f.batch_size_override, f.batch_size) AS batch_size
    FROM public.flows f
    WHERE f.flow_name = %(flow_name)s AND f.paused_at IS NULL
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
    WHERE q.flow_name = %(flow_name)s AND q.status = 'pending' AND q.batch_limit IS NOT NULL)
FROM registered CROSS JOIN flow
