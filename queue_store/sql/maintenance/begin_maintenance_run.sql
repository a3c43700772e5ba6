-- Returns no row if the same operation is already running. A dry run is never refused, and never causes a refusal.
INSERT INTO public.maintenance_runs (operation, dry_run, actor, parameters)
VALUES (%(operation)s, %(dry_run)s, %(actor)s, %(parameters)s)
ON CONFLICT (operation) WHERE state = 'running' AND NOT dry_run DO NOTHING
RETURNING id
