SELECT id, actor, started_at, affected_count FROM public.maintenance_runs
WHERE operation = %(operation)s AND state = 'running' AND NOT dry_run
