-- Declares a maintenance run abandoned if its process has been silent for too long. If that process is still alive, its
-- chunk is rolled back, because beat_maintenance_run.sql returns no row. The audit log gets a row with the number of
-- rows that the run's committed chunks affected, unless the run was a dry run or affected no rows. ORDER BY makes
-- Postgres lock all rows of maintenance_runs before it writes to the audit log. finish_maintenance_run.sql locks in
-- the same order.
WITH abandoned AS (
    UPDATE public.maintenance_runs
    SET state = 'abandoned', finished_at = clock_timestamp(), error_message = 'its process was silent for too long'
    WHERE state = 'running' AND (heartbeat_at < now() - make_interval(secs => %(silent_seconds)s)
        OR heartbeat_at > now() + interval '1 minute') -- the clock of the database has stepped back
    RETURNING id, operation, actor, affected_count, dry_run, state, heartbeat_at
)
INSERT INTO public.audit_log (actor, action, target, affected_count, details)
SELECT actor, 'maintenance', operation, affected_count,
    jsonb_build_object('state', state, 'last_heartbeat_at', heartbeat_at)
FROM abandoned WHERE NOT dry_run AND affected_count > 0
ORDER BY id
