-- The newest occurrence of each entry of the schedule, and when an occurrence of the entry last finished. The query
-- steps from entry to entry, because recurring records leave millions of occurrences. An occurrence that is tried again
-- can finish after a newer one. So the query looks at the five newest occurrences that have finished.
WITH RECURSIVE entries(entry) AS (
    (SELECT o.entry FROM public.schedule_occurrences o ORDER BY o.entry LIMIT 1)
    UNION ALL
    SELECT following.entry FROM entries
    CROSS JOIN LATERAL (
        SELECT o.entry FROM public.schedule_occurrences o WHERE o.entry > entries.entry ORDER BY o.entry LIMIT 1
    ) following
)
SELECT n.entry, n.due_at, n.state, n.taken_at, n.finished_at, n.take_number, n.error_message,
    (SELECT max(finished_at) FROM (
        SELECT o.finished_at FROM public.schedule_occurrences o WHERE o.entry = n.entry AND o.state = 'finished'
        ORDER BY o.due_at DESC LIMIT 5) lately) AS last_finished_at
FROM entries
CROSS JOIN LATERAL (
    SELECT o.* FROM public.schedule_occurrences o WHERE o.entry = entries.entry ORDER BY o.due_at DESC LIMIT 1
) n
ORDER BY n.entry
