-- A worker takes an occurrence. Returns no row if the occurrence is done, or if another worker is working on it. If a
-- worker is working on another occurrence of the entry, the index schedule_occurrences_alone refuses this statement.
UPDATE public.schedule_occurrences o
SET state = 'running', taken_at = clock_timestamp(), heartbeat_at = clock_timestamp(), take_number = o.take_number + 1
WHERE o.entry = %(entry)s AND o.due_at = %(due_at)s
    AND (o.state = 'due' OR o.state = 'running' AND (
        o.heartbeat_at < now() - make_interval(secs => %(silent_seconds)s)
        OR o.heartbeat_at > now() + interval '1 minute')) -- the clock of the database has stepped back
RETURNING o.take_number
