-- The state of the schedule. Returns how long all beats have been silent, and how long ago the first known worker
-- process started (NULL: no worker process is known). Returns whether the beat that ran last was shut down cleanly. If
-- a beat runs, returns how long the Celery queue `control` has been without a worker process. Returns the entries with
-- late occurrences. Returns the entries whose newest occurrence failed, and ignores occurrences that have not ended. To
-- find these entries, the query steps from entry to entry, because recurring records leave millions of occurrences.
-- Returns the flows whose counts the last nightly review had to correct.
SELECT (SELECT extract(epoch FROM now() - max(heartbeat_at))::float8 FROM public.beats) AS beat_silent_seconds,
    (SELECT extract(epoch FROM now() - min(started_at))::float8 FROM public.worker_processes) AS first_worker_seconds,
    coalesce((SELECT stopped_at IS NOT NULL FROM public.beats ORDER BY heartbeat_at DESC LIMIT 1), false) AS beat_has_stopped,
    (SELECT extract(epoch FROM now() - greatest(min(b.started_at), (
            SELECT max(coalesce(w.ended_at, w.heartbeat_at)) FROM public.worker_processes w
            WHERE w.celery_queues @> ARRAY[%(control_queue)s::text])))::float8
        FROM public.beats b WHERE b.stopped_at IS NULL AND b.heartbeat_at > now() - make_interval(secs => %(silent_seconds)s)
        HAVING count(*) > 0) AS control_unserved_seconds,
    ARRAY(SELECT entry FROM public.schedule_occurrences
        WHERE state IN ('due', 'running') AND due_at < now() - make_interval(secs => %(late_seconds)s)
            AND coalesce(heartbeat_at, '2000-01-01') < now() - make_interval(secs => %(late_seconds)s)
        ORDER BY due_at LIMIT 100) AS late_entries,
    ARRAY(WITH RECURSIVE entries(entry) AS (
            (SELECT o.entry FROM public.schedule_occurrences o ORDER BY o.entry LIMIT 1)
            UNION ALL
            SELECT following.entry FROM entries
            CROSS JOIN LATERAL (
                SELECT o.entry FROM public.schedule_occurrences o WHERE o.entry > entries.entry ORDER BY o.entry LIMIT 1
            ) following
        )
        SELECT entries.entry FROM entries
        CROSS JOIN LATERAL (
            SELECT o.state FROM public.schedule_occurrences o
            WHERE o.entry = entries.entry AND o.state IN ('finished', 'failed') AND o.due_at > now() - interval '40 days'
                AND o.due_at <= now() + interval '1 minute' -- later: the clock of the database has stepped back
            ORDER BY o.due_at DESC LIMIT 1
        ) last
        WHERE last.state = 'failed' ORDER BY entries.entry) AS failed_entries,
    ARRAY(SELECT jsonb_object_keys(last.result -> 'corrections') FROM (
            SELECT result FROM public.maintenance_runs
            WHERE operation = 'nightly_review' AND state = 'finished' AND NOT dry_run
                AND started_at > now() - interval '2 days'
            ORDER BY started_at DESC LIMIT 1) last
        WHERE jsonb_typeof(last.result -> 'corrections') = 'object'
        ORDER BY 1 LIMIT 100) AS corrected_flows
