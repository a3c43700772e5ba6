-- The beats that sent a heartbeat in the last hour and have not shut down cleanly. `is_leader` says which of these
-- beats is the leader.
SELECT b.hostname, b.pid, b.started_at, b.heartbeat_at,
    b.beat_id = l.beat_id AND l.leads_until >= now() AS is_leader, b.ticks
FROM public.beats b CROSS JOIN public.beat_leader l
WHERE b.heartbeat_at >= now() - interval '1 hour' AND b.stopped_at IS NULL
ORDER BY b.started_at
