-- Purges maintenance runs that ended long ago.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.maintenance_runs
    WHERE finished_at < now() - make_interval(secs => %(audit_seconds)s)
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.maintenance_runs t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
