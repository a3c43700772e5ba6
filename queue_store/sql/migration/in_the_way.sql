-- The three oldest transactions that hold a lock on one of our tables.
SELECT format('session %s of %s (%s), in its transaction since %s',
    a.pid, coalesce(a.usename, a.backend_type, '?'), coalesce(nullif(a.application_name, ''), 'no name'),
    coalesce(to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), '?'))
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND EXISTS (
    SELECT FROM pg_locks l JOIN pg_class t ON t.oid = l.relation
    WHERE l.pid = a.pid AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND t.relkind = 'r' AND t.relnamespace = to_regnamespace('public') AND t.relname <> 'schema_version')
ORDER BY a.xact_start LIMIT 3
