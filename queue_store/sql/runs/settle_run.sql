-- Marks a run as settled, which means that no record is processing under it any more. Skips a run that another
-- process is rescuing at this moment.
WITH mine AS MATERIALIZED (
    SELECT r.flow_instance_id FROM public.flow_execution_logs r
    WHERE r.flow_instance_id = %(flow_instance_id)s AND r.state IN ('ended', 'dead') AND NOT EXISTS (
        SELECT FROM public.processing_queue q WHERE q.status = 'processing' AND q.flow_instance_id = r.flow_instance_id)
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE public.flow_execution_logs r
SET settled_at = clock_timestamp()
FROM mine
WHERE r.flow_instance_id = mine.flow_instance_id
RETURNING r.flow_instance_id
