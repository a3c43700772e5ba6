-- Waits until no other session has a transaction of this run open: each such transaction holds this advisory lock. If
-- the connection broke during a COMMIT, the server may still be executing that COMMIT. A statement that begins after
-- this wait sees what the COMMIT has written. To wait for locked rows instead would have two faults. After the wait,
-- the statement would still see all other rows in its older snapshot. And a lock on a row of an express slice would
-- replace the slice's mark.
SELECT pg_advisory_xact_lock(%(session_lock)s)
