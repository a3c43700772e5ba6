-- How long the beats have been silent (NULL: there never was one), which occurrences are late, and which failed as
-- the last of their entry.
SELECT (SELECT extract(epoch FROM now() - max(heartbeat_at))::float8 FROM beats) AS beat_silent_seconds,
    ARRAY(SELECT entry FROM schedule_occurrences
        WHERE state IN ('due', 'running') AND due_at < now() - make_interval(secs => %(late_seconds)s)
            AND coalesce(heartbeat_at, '2000-01-01') < now() - make_interval(secs => %(late_seconds)s)
        ORDER BY due_at LIMIT 100) AS late_entries,
    ARRAY(SELECT entry FROM (
            SELECT DISTINCT ON (entry) entry, state FROM schedule_occurrences
            WHERE state IN ('finished', 'failed') AND due_at > now() - interval '40 days'
            ORDER BY entry, due_at DESC) last
        WHERE state = 'failed' ORDER BY entry) AS failed_entries
