-- Moves the occurrences of all recurring flows back in time, as if `seconds` had passed. This is for the tests of flow
-- authors.
UPDATE public.schedule_occurrences SET due_at = due_at - make_interval(secs => %(seconds)s) WHERE entry LIKE 'flow:%%'
