-- The flow's Celery queue, and the instant at which a bulk's records without a time of their own are due. The
-- instant is a number of microseconds since 1970, which does not depend on the session's date format. Returns no row
-- if the flow is unknown.
SELECT f.celery_queue, (extract(epoch FROM now()) * 1000000)::bigint,
    CASE WHEN %(is_follow_up)s THEN set_config('processing_queue.follow_up', 'on', true) END
FROM public.known_flows() f WHERE f.flow_name = %(flow_name)s
