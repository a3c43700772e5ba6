-- enqueue: → pending, in the caller's transaction.
SELECT record_id, what, flow_celery_queue
FROM public.enqueue_or_explain(%(flow_name)s::text, %(payload)s::jsonb, %(priority)s::smallint, %(scheduled_at)s::timestamptz,
    %(delay_seconds)s::float8, %(dedup_key)s::text, %(on_duplicate)s::text, %(order_key)s::text,
    %(correlation_id)s::text, %(trace_context)s::text, %(is_follow_up)s::boolean)
