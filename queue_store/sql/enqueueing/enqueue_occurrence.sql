-- Enqueues the record of a due occurrence. One transaction writes the record and marks the occurrence as enqueued. So
-- no occurrence gets two records, however many processes notice the occurrence. The first occurrence of a flow is
-- marked as skipped and gets no record: a new flow begins with its next occurrence. If several occurrences were missed,
-- only the latest gets a record. An occurrence in the future was stored before the database's clock stepped back, so it
-- does not count as the latest.
WITH noted AS (
    INSERT INTO public.schedule_occurrences (entry, due_at, state, taken_at, finished_at)
    SELECT %(entry)s, %(due_at)s,
        CASE WHEN EXISTS (SELECT FROM public.schedule_occurrences WHERE entry = %(entry)s) THEN 'finished' ELSE 'skipped' END,
        clock_timestamp(), clock_timestamp()
    WHERE NOT EXISTS (SELECT FROM public.schedule_occurrences WHERE entry = %(entry)s AND due_at >= %(due_at)s
        AND due_at <= greatest(%(due_at)s, clock_timestamp()) + interval '1 minute')
    ON CONFLICT (entry, due_at) DO NOTHING
    RETURNING state
), allowed AS (
    -- The queue itself enqueues recurring records, so they are accepted even while ingestion is stopped.
    SELECT set_config('processing_queue.follow_up', 'on', true) FROM noted WHERE state = 'finished'
)
INSERT INTO public.processing_queue (flow_name, payload, scheduled_at)
SELECT %(flow_name)s, %(payload)s::jsonb, %(due_at)s FROM allowed
RETURNING id
