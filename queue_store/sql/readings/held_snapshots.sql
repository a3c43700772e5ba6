-- The holders of snapshots, which hold back vacuum: sessions, standbys (hot_standby_feedback), prepared transactions
-- and replication slots. The oldest snapshot comes first. A standby's walsender is not listed as a session, because it
-- belongs to no database and is in no transaction. If a standby uses a replication slot, the slot is listed in place of
-- the standby. The server does not say how long a standby or a slot has held its snapshot. For every kind of holder,
-- the server says how many transactions have begun since the holder took its snapshot.
SELECT * FROM (
    SELECT 'session' AS kind, format('%%s (process %%s)', coalesce(nullif(a.application_name, ''), 'no name'), a.pid) AS holder,
        a.state, age(a.backend_xmin) AS transactions,
        extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds
    FROM pg_stat_activity a
    WHERE a.backend_xmin IS NOT NULL AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL
        AND a.datname = current_database()
    UNION ALL
    SELECT 'standby', format('%%s (process %%s)', coalesce(nullif(w.application_name, ''), 'no name'), w.pid),
        w.state, age(w.backend_xmin), NULL
    FROM pg_stat_replication w
    WHERE w.backend_xmin IS NOT NULL
    UNION ALL
    SELECT 'prepared transaction', p.gid, 'prepared', age(p.transaction),
        extract(epoch FROM clock_timestamp() - p.prepared)::float8
    FROM pg_prepared_xacts p WHERE p.database = current_database()
    UNION ALL
    SELECT 'replication slot', s.slot_name::text, CASE WHEN s.active THEN 'active' ELSE 'inactive' END, age(s.xmin), NULL
    FROM pg_replication_slots s WHERE s.xmin IS NOT NULL) held
ORDER BY transactions DESC, seconds DESC NULLS LAST
LIMIT 10
