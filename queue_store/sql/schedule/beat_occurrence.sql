UPDATE public.schedule_occurrences SET heartbeat_at = clock_timestamp()
WHERE entry = %(entry)s AND due_at = %(due_at)s AND state = 'running' AND take_number = %(take_number)s
RETURNING take_number
