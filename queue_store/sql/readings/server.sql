SELECT current_setting('server_version') AS server_version,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        AS connection_limit,
    -- A login with the role monitor sees the user and the database of other users' sessions, but not their type. So
    -- a session without a type counts as a client.
    (SELECT count(*) FROM pg_stat_activity
        WHERE coalesce(backend_type, 'client backend') = 'client backend' AND usesysid IS NOT NULL AND datid IS NOT NULL)
        AS connection_count,
    extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS up_seconds,
    pg_is_in_recovery() AS is_replica,
    -- A login for monitoring can be read-only although the server takes writes. So a read-only default counts only if
    -- it does not come from the login or from the session.
    pg_is_in_recovery() OR EXISTS (SELECT FROM pg_settings
        WHERE name = 'default_transaction_read_only' AND setting = 'on'
            AND source NOT IN ('user', 'database user', 'client', 'session')) AS takes_no_writes
