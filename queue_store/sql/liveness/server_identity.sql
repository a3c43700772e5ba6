-- Returns a value that changes when the server restarts, or when another server takes over: the WAL of the new server
-- has another timeline.
SELECT pg_postmaster_start_time()::text || CASE WHEN pg_is_in_recovery() THEN ''
    ELSE ' ' || left(pg_walfile_name(pg_current_wal_lsn()), 8) END
