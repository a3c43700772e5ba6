-- As if time had passed since every occurrence of a recurring flow; for the tests of those who write flows.
UPDATE public.schedule_occurrences SET due_at = due_at - make_interval(secs => %(seconds)s) WHERE entry LIKE 'flow:%%'
