-- The newest maintenance runs, and the newest schedule occurrences whose last try had an error. The query steps from
-- entry to entry, and skips the occurrences of recurring flows: there can be millions of these occurrences, and none
-- has an error.
WITH RECURSIVE entries(entry) AS (
    (SELECT o.entry FROM public.schedule_occurrences o ORDER BY o.entry LIMIT 1)
    UNION ALL
    SELECT following.entry FROM entries
    CROSS JOIN LATERAL (
        SELECT o.entry FROM public.schedule_occurrences o WHERE o.entry > entries.entry ORDER BY o.entry LIMIT 1
    ) following
)
SELECT id, operation, state, dry_run, actor, started_at, affected_count, error_message FROM public.maintenance_runs
UNION ALL
SELECT NULL, o.entry, o.state, false, 'schedule', o.taken_at, NULL, o.error_message FROM entries
CROSS JOIN LATERAL (
    SELECT * FROM public.schedule_occurrences one
    WHERE one.entry = entries.entry AND one.error_message IS NOT NULL
    ORDER BY one.due_at
) o
WHERE entries.entry NOT LIKE 'flow:%%'
ORDER BY started_at DESC
LIMIT %(limit)s
