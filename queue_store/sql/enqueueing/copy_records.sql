COPY public.processing_queue (flow_name, payload, priority, scheduled_at, dedup_key, order_key, correlation_id, trace_context)
FROM STDIN (ENCODING 'UTF8')
