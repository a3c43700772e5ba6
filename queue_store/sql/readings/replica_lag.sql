-- How many seconds this server is behind the server that it follows; 0 if this server is no replica. A connected
-- replica that has replayed everything it received is not behind. If a replica is not connected or has more to replay,
-- its lag is the age of the last transaction that it has replayed. If a replica has not replayed a transaction yet, the
-- lag is the time since the replica's start.
SELECT CASE
    WHEN NOT pg_is_in_recovery() THEN 0
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
        AND EXISTS (SELECT FROM pg_stat_get_wal_receiver() w WHERE w.pid IS NOT NULL) THEN 0
    ELSE extract(epoch FROM clock_timestamp() - coalesce(pg_last_xact_replay_timestamp(), pg_postmaster_start_time()))
    END::float8 AS seconds
