-- Purges old attempts, but not their records, which may be kept for longer.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.record_attempts
    WHERE finished_at < now() - make_interval(secs => %(history_seconds)s)
    ORDER BY finished_at -- the oldest first: integrity/attempts_lost.sql relies on this order
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.record_attempts t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
