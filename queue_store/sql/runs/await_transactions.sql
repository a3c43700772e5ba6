-- Waits until no other session has a transaction of this run open: each such transaction holds this advisory lock. If
-- the connection broke during a COMMIT, the server may still be executing that COMMIT. A statement that begins after
-- this wait sees what the COMMIT has written. A wait for rows would not be enough, because a waiting statement keeps its
-- older snapshot for all other rows, and because it would replace the marks of an express slice.
SELECT pg_advisory_xact_lock(%(session_lock)s)
