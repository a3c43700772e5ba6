-- The newest maintenance runs, and the newest schedule occurrences whose last try had an error.
SELECT id, operation, state, dry_run, actor, started_at, affected_count, error_message FROM public.maintenance_runs
UNION ALL
SELECT NULL, entry, state, false, 'schedule', taken_at, NULL, error_message FROM public.schedule_occurrences
WHERE error_message IS NOT NULL
ORDER BY started_at DESC
LIMIT %(limit)s
