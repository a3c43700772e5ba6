-- Statements that have been running for longer than `seconds`, each with the sessions that block it.
SELECT a.pid, a.application_name, a.usename::text AS user_name, a.state, a.wait_event_type,
    extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS seconds, left(a.query, 500) AS statement,
    pg_blocking_pids(a.pid) AS blocked_by
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
    AND a.state = 'active' AND a.query_start < clock_timestamp() - make_interval(secs => %(seconds)s)
ORDER BY a.query_start
LIMIT 20
