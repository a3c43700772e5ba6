-- A worker takes an occurrence. Returns no row if it is done, or if somebody works on it or on another occurrence of
-- the same entry.
UPDATE public.schedule_occurrences o
SET state = 'running', taken_at = clock_timestamp(), heartbeat_at = clock_timestamp(), take_number = o.take_number + 1
WHERE o.entry = %(entry)s AND o.due_at = %(due_at)s
    AND (o.state = 'due' OR o.state = 'running' AND o.heartbeat_at < now() - make_interval(secs => %(silent_seconds)s))
RETURNING o.take_number
