-- Purges old occurrences that are over, but never the newest occurrence of a schedule entry. Without its newest
-- occurrence, a yearly entry would count as new, and the next occurrence would be skipped.
WITH doomed AS MATERIALIZED (
    SELECT ctid FROM public.schedule_occurrences t
    WHERE EXISTS (SELECT FROM public.schedule_occurrences newer WHERE newer.entry = t.entry AND newer.due_at > t.due_at)
        AND state NOT IN ('due', 'running') AND due_at < now() - make_interval(secs => %(audit_seconds)s)
    LIMIT %(limit)s::bigint
), deleted AS (
    DELETE FROM public.schedule_occurrences t USING doomed WHERE t.ctid = doomed.ctid AND NOT %(dry_run)s
)
SELECT count(*) FROM doomed
