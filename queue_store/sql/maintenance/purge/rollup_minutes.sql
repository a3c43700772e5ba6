-- Purges old counts by minute. By default, counts by minute are purged earlier than counts by hour.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.rollup_minutes
    WHERE minute < now() - make_interval(secs => %(history_seconds)s)
    ORDER BY minute -- the oldest first: integrity/rollups_that_disagree.sql relies on this order
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.rollup_minutes t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
