-- Purges old counts of how often the database could be reached.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.connection_checks
    WHERE at < now() - make_interval(secs => %(history_seconds)s)
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.connection_checks t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
