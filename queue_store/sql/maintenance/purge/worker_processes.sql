-- Purges worker processes that ended or died long ago.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.worker_processes
    WHERE ended_at < now() - make_interval(secs => %(history_seconds)s)
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.worker_processes t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
