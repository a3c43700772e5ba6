-- The five holders with the most connections to the server, in all its databases. The largest holder comes first. A
-- login without pg_monitor sees neither the names nor the types of other users' sessions.
SELECT a.datname::text AS database_name, a.usename::text AS user_name,
    coalesce(nullif(a.application_name, ''), '(no name)') AS application_name, count(*) AS connection_count
FROM pg_stat_activity a
WHERE coalesce(a.backend_type, 'client backend') = 'client backend' AND a.usesysid IS NOT NULL AND a.datid IS NOT NULL
GROUP BY 1, 2, 3
ORDER BY 4 DESC, 1, 2, 3
LIMIT 5
