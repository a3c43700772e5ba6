-- Purges old runs that are settled: these runs are over and have no processing records.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.flow_execution_logs
    WHERE settled_at IS NOT NULL AND finished_at < now() - make_interval(secs => %(history_seconds)s)
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.flow_execution_logs t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
