-- Purges alerts that were resolved long ago, with their notifications.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.alerts
    WHERE resolved_at < now() - make_interval(secs => %(audit_seconds)s)
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.alerts t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
