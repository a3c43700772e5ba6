-- The connection limits of this database, of this login and of the logins that workers use, if such limits are set.
-- Also returns the number of open connections that count towards each limit, without the connection of this query.
-- `worker_count` is the number of these connections that belong to workers of this queue. `worker_share` is the part of
-- all the workers' connections that counts towards the limit, from 0 to 1.
WITH sessions AS MATERIALIZED (
    SELECT a.datid, a.usesysid,
        a.datname = current_database() AND a.application_name LIKE 'processing_queue worker %%' AS is_worker
    FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid()
)
SELECT 'the database ' || d.datname AS holder, d.datconnlimit AS connection_limit,
    (SELECT count(*) FROM sessions s WHERE s.datid = d.oid)::integer AS connection_count,
    (SELECT count(*) FROM sessions s WHERE s.is_worker)::integer AS worker_count, 1::float8 AS worker_share
FROM pg_database d
WHERE d.datname = current_database() AND d.datconnlimit >= 0
UNION ALL
SELECT 'the login ' || r.rolname, r.rolconnlimit, own.connection_count::integer, own.worker_count::integer,
    coalesce(own.worker_count::float8 / nullif((SELECT count(*) FROM sessions s WHERE s.is_worker), 0), 0)
FROM pg_roles r
CROSS JOIN LATERAL (
    SELECT count(*) AS connection_count, count(*) FILTER (WHERE s.is_worker) AS worker_count
    FROM sessions s WHERE s.usesysid = r.oid
) own
WHERE r.rolconnlimit >= 0 AND NOT r.rolsuper AND (r.rolname = current_user OR own.worker_count > 0)
ORDER BY connection_limit
