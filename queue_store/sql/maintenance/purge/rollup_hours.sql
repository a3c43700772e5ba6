-- Purges old hourly counts. A dry run counts the same rows but deletes none.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.rollup_hours
    WHERE hour < now() - make_interval(secs => %(audit_seconds)s)
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.rollup_hours t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
