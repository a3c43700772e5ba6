-- Bounds the waits for locks from here until the transaction ends or is rolled back to an earlier savepoint. Without
-- this bound, other work would wait for a long time. While a run is ending, its transaction keeps the run's row locked.
-- So if the transaction waits for the row of another flow, the run's heartbeats wait, too. If a follow-up record waits
-- for a producer's transaction, the other outcomes in the run's transaction wait, too.
SELECT set_config('lock_timeout', %(lock_timeout)s, true)
