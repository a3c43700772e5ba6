-- This statement is for a run that died while no handler ran, and that left one record without a written outcome. That
-- record becomes a suspect, and gets no crash strike this time. Returns no row if the record was already a suspect.
-- Also returns no row if the run left several records, because arrows/rescue.sql makes all of these suspects. Records
-- of a run that was stopping do not become suspects.
UPDATE public.processing_queue q
SET batch_limit = 1, updated_at = clock_timestamp()
WHERE q.status = 'processing' AND q.flow_instance_id = %(flow_instance_id)s AND q.batch_limit IS NULL
    AND EXISTS (
        SELECT FROM public.flow_execution_logs run
        WHERE run.flow_instance_id = q.flow_instance_id AND run.state = 'running')
    AND NOT EXISTS (
        SELECT FROM public.processing_queue other
        WHERE other.status = 'processing' AND other.flow_instance_id = q.flow_instance_id AND other.id <> q.id)
RETURNING q.id
