-- Null for all records but those whose producer chose an id, so that neither inserts nor updates pay for the index.
ALTER TABLE public.processing_queue ADD COLUMN IF NOT EXISTS task_id text;

-- enqueue: → pending, with a task id of the caller's own. What came of it: 'inserted', 'unknown flow', or 'same task id'
-- with the record that has it. Raises nothing for these, so that the caller's transaction stays usable.
CREATE OR REPLACE FUNCTION public.enqueue_with_task_id(
    wanted_flow_name text, new_payload jsonb, new_priority smallint, due_at timestamptz, delay_seconds double precision,
    new_correlation_id text, new_trace_context text, wanted_task_id text,
    OUT record_id bigint, OUT what text, OUT flow_celery_queue text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    refused_by text;
BEGIN
    IF wanted_task_id IS NULL OR length(wanted_task_id) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'a task id has 1 to 255 characters' USING ERRCODE = 'check_violation';
    END IF;
    SELECT e.record_id, e.what, e.flow_celery_queue INTO record_id, what, flow_celery_queue
    FROM public.enqueue_or_explain(wanted_flow_name, new_payload, new_priority, due_at, delay_seconds, NULL, 'raise',
        NULL, new_correlation_id, new_trace_context, false) e;
    IF what = 'inserted' THEN
        UPDATE public.processing_queue q SET task_id = wanted_task_id WHERE q.id = record_id;
    END IF;
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS refused_by = CONSTRAINT_NAME;
    IF refused_by <> 'processing_queue_task_id' THEN
        RAISE;
    END IF;
    SELECT q.id INTO record_id FROM public.processing_queue q WHERE q.task_id = wanted_task_id;
    what := 'same task id';
END $$;
REVOKE ALL ON FUNCTION public.enqueue_with_task_id FROM PUBLIC;
