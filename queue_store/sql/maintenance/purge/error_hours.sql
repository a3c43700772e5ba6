-- Purges old hourly counts of errors.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.error_hours
    WHERE hour < now() - make_interval(secs => %(audit_seconds)s)
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.error_hours t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
