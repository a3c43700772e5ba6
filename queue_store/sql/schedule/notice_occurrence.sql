-- Stores a due occurrence of an entry. The occurrence gets one row, even if several processes notice it. The first
-- occurrence of an entry is skipped, so that a new installation does not execute what was due before the installation.
-- Older occurrences that nobody took are skipped too: if several occurrences were missed, only the latest is executed.
-- An occurrence in the future was stored before the database's clock stepped back, so it does not count as the latest.
WITH noticed AS (
    INSERT INTO public.schedule_occurrences (entry, due_at, state)
    SELECT %(entry)s, %(due_at)s,
        CASE WHEN EXISTS (SELECT FROM public.schedule_occurrences WHERE entry = %(entry)s) THEN 'due' ELSE 'skipped' END
    WHERE NOT EXISTS (SELECT FROM public.schedule_occurrences WHERE entry = %(entry)s AND due_at >= %(due_at)s
        AND due_at <= greatest(%(due_at)s, clock_timestamp()) + interval '1 minute')
    ON CONFLICT (entry, due_at) DO NOTHING
    RETURNING due_at
)
UPDATE public.schedule_occurrences o SET state = 'skipped', finished_at = clock_timestamp()
FROM noticed WHERE o.entry = %(entry)s AND o.due_at < noticed.due_at AND o.state = 'due'
