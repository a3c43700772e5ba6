SELECT due_at, state FROM schedule_occurrences WHERE entry = %(entry)s ORDER BY due_at DESC LIMIT 1
