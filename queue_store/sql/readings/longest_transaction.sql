-- The session with the oldest open transaction in this database. The snapshot of such a transaction can hold back
-- vacuum.
SELECT a.pid, a.application_name, a.usename::text AS user_name, host(a.client_addr) AS client_address, a.state,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.xact_start IS NOT NULL
    AND a.pid <> pg_backend_pid()
ORDER BY a.xact_start
LIMIT 1
