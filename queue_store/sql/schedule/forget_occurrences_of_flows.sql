-- Makes recurring flows start again from the beginning. This is for the tests of flow authors.
DELETE FROM public.schedule_occurrences WHERE entry LIKE 'flow:%%'
