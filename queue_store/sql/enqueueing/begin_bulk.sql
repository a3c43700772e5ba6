-- Returns the flow's Celery queue and the current time. A record of the bulk call is due at this time if it has no
-- `scheduled_at`. The time is returned as microseconds since 1970, because such a number does not depend on the
-- session's date format. Returns no row if the flow is unknown.
SELECT f.celery_queue, (extract(epoch FROM now()) * 1000000)::bigint,
    CASE WHEN %(is_follow_up)s THEN set_config('processing_queue.follow_up', 'on', true) END
FROM public.known_flows() f WHERE f.flow_name = %(flow_name)s
