-- Purges old samples of the queue's depth.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.depth_minutes
    WHERE minute < now() - make_interval(secs => %(history_seconds)s)
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.depth_minutes t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
