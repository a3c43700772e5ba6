-- Recurring flows begin anew; for the tests of those who write flows.
DELETE FROM public.schedule_occurrences WHERE entry LIKE 'flow:%%'
