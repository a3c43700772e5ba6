-- Recurring flows begin anew; for the tests of those who write flows.
DELETE FROM schedule_occurrences WHERE entry LIKE 'flow:%%'
