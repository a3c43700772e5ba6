-- The flow's Celery queue and the instant at which undated records of a bulk are due, in microseconds since 1970, which
-- no format of the session changes. No row when the flow is unknown.
SELECT f.celery_queue, (extract(epoch FROM now()) * 1000000)::bigint,
    CASE WHEN %(is_follow_up)s THEN set_config('processing_queue.follow_up', 'on', true) END
FROM public.known_flows() f WHERE f.flow_name = %(flow_name)s
