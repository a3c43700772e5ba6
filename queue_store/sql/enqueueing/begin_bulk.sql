-- The flow's Celery queue and the instant at which undated records of a bulk are due; no row when it is unknown.
SELECT f.celery_queue, now(),
    CASE WHEN %(is_follow_up)s THEN set_config('processing_queue.follow_up', 'on', true) END
FROM known_flows() f WHERE f.flow_name = %(flow_name)s
