-- Marks the occurrences that need a hint as hinted, and returns them. An occurrence needs a hint if no worker has taken
-- it yet, or if the worker that took it is silent. Occurrences that were hinted in the last `again_seconds` are left
-- out. Times in the future do not count: the clock of the database has stepped back since then.
WITH open AS MATERIALIZED (
    SELECT entry, due_at FROM public.schedule_occurrences
    WHERE (state = 'due' OR state = 'running' AND (
            heartbeat_at < now() - make_interval(secs => %(silent_seconds)s)
            OR heartbeat_at > now() + interval '1 minute'))
        AND (hinted_at IS NULL OR hinted_at < now() - make_interval(secs => %(again_seconds)s)
            OR hinted_at > now() + interval '1 minute')
    ORDER BY entry, due_at
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE public.schedule_occurrences o SET hinted_at = clock_timestamp()
FROM open WHERE o.entry = open.entry AND o.due_at = open.due_at
RETURNING o.entry, o.due_at
