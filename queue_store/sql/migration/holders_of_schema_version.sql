SELECT DISTINCT format('session %s of %s (%s), in its transaction since %s',
    l.pid, coalesce(a.usename, '?'), coalesce(nullif(a.application_name, ''), 'no name'),
    coalesce(to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), '?'))
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.relation = to_regclass('public.schema_version') AND l.mode = 'ShareUpdateExclusiveLock'
