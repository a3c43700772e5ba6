SELECT due_at, state FROM public.schedule_occurrences WHERE entry = %(entry)s ORDER BY due_at DESC LIMIT 1
