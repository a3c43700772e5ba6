-- The newest occurrence of each entry of the schedule, and when an occurrence of the entry last finished.
WITH newest AS MATERIALIZED (
    SELECT DISTINCT ON (entry) entry, due_at, state, taken_at, finished_at, take_number, error_message
    FROM public.schedule_occurrences ORDER BY entry, due_at DESC
)
SELECT n.entry, n.due_at, n.state, n.taken_at, n.finished_at, n.take_number, n.error_message,
    (SELECT max(o.finished_at) FROM public.schedule_occurrences o WHERE o.entry = n.entry AND o.state = 'finished')
        AS last_finished_at
FROM newest n
ORDER BY n.entry
