-- The connection limits of this database, of this login and of the logins that workers use, if such limits are set.
-- Also returns the number of open connections that count towards each limit.
SELECT 'the database ' || d.datname AS holder, d.datconnlimit AS connection_limit,
    (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid)::integer AS connection_count
FROM pg_database d
WHERE d.datname = current_database() AND d.datconnlimit >= 0
UNION ALL
SELECT 'the login ' || r.rolname, r.rolconnlimit,
    (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid)::integer
FROM pg_roles r
WHERE r.rolconnlimit >= 0 AND NOT r.rolsuper AND (r.rolname = current_user OR EXISTS (
    SELECT FROM pg_stat_activity a
    WHERE a.usesysid = r.oid AND a.datname = current_database() AND a.application_name LIKE 'processing_queue worker %%'))
ORDER BY connection_limit
