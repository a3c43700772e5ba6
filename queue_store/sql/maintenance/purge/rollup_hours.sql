-- Purges old hourly counts. An hour is kept at least as long as its minutes, because `queuectl validate` compares
-- the hour with its minutes.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.rollup_hours
    WHERE hour < now() - make_interval(secs => greatest(%(audit_seconds)s::float, %(history_seconds)s))
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.rollup_hours t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
