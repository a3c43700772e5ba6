-- The open transactions that have written to processing_queue, are writing to it now, or may not see a stop. A
-- REPEATABLE READ or SERIALIZABLE transaction keeps its snapshot (backend_xmin), so it does not see a stop that was
-- committed later. A READ COMMITTED transaction has a snapshot only while it executes a statement, so its next
-- statement sees the stop. VACUUM, pg_dump and `queuectl backup` hold snapshots too, but add no records. A login
-- without pg_read_all_stats does not see the snapshots of other logins.
SELECT DISTINCT virtualtransaction, NULL::text AS snapshot FROM pg_locks
WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relation = 'public.processing_queue'::regclass AND mode = 'RowExclusiveLock'
UNION ALL
SELECT l.virtualtransaction, a.backend_xmin::text
FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'virtualxid'
    AND l.virtualxid = l.virtualtransaction AND l.granted
WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
    AND a.backend_xmin IS NOT NULL AND a.application_name NOT IN ('pg_dump', 'queuectl backup')
    AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
