-- Moves every occurrence of a recurring flow into the past, as if time had passed. This is for the tests of flow
-- authors.
UPDATE public.schedule_occurrences SET due_at = due_at - make_interval(secs => %(seconds)s) WHERE entry LIKE 'flow:%%'
