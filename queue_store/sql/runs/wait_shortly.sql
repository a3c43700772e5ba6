-- Bounds the waits for locks from here until the transaction ends or is rolled back to an earlier savepoint. While a
-- run is ending, its transaction keeps the run's row locked. If the transaction waited here for the row of another
-- flow, the run's heartbeats would wait too. If a follow-up record waited here for a producer's transaction, the other
-- outcomes in the run's transaction would wait, too.
SELECT set_config('lock_timeout', %(lock_timeout)s, true)
