-- enqueue: → pending, in the caller's transaction, with a task id that the caller chose.
SELECT record_id, what, flow_celery_queue
FROM public.enqueue_with_task_id(%(flow_name)s::text, %(payload)s::jsonb, %(priority)s::smallint, %(scheduled_at)s::timestamptz,
    %(delay_seconds)s::float8, %(correlation_id)s::text, %(trace_context)s::text, %(task_id)s::text)
