-- Purges attempts of records that are themselves kept longer. A dry run counts the same rows but deletes none.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.record_attempts
    WHERE finished_at < now() - make_interval(secs => %(history_seconds)s)
    ORDER BY finished_at -- the oldest first: the checks rely on it
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.record_attempts t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
