-- Skips the late occurrences of entries that were removed from the schedule, because no worker can do them any more. An
-- occurrence is late under the same conditions as in readings/schedule.sql. So an occurrence whose worker still sends
-- heartbeats is not late, and is not skipped.
UPDATE public.schedule_occurrences SET state = 'skipped', finished_at = clock_timestamp()
WHERE state IN ('due', 'running') AND due_at < now() - make_interval(secs => %(late_seconds)s)
    AND coalesce(heartbeat_at, '2000-01-01') < now() - make_interval(secs => %(late_seconds)s)
    AND entry <> ALL(%(entries)s) AND entry NOT LIKE 'flow:%%'
