-- Deletes the occurrences of all recurring flows, so that each of these flows counts as new. This is for the tests of
-- flow authors.
DELETE FROM public.schedule_occurrences WHERE entry LIKE 'flow:%%'
