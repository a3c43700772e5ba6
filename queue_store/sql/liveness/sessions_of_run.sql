-- The sessions in which a run has a transaction open now: each such transaction holds the run's advisory lock.
SELECT l.pid
FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
    AND l.classid = (%(session_lock)s::bigint >> 32)::oid AND l.objid = (%(session_lock)s::bigint & 4294967295)::oid
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.pid <> pg_backend_pid()
