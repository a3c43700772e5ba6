-- Another value than before: the server was started again, or another one took over (its WAL has another timeline).
SELECT pg_postmaster_start_time()::text || CASE WHEN pg_is_in_recovery() THEN ''
    ELSE ' ' || left(pg_walfile_name(pg_current_wal_lsn()), 8) END
