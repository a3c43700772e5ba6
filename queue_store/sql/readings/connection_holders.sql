-- The five holders with the most connections to the server, in all its databases. The largest holder comes first. A
-- login without pg_read_all_stats does not see the types of other users' sessions, so a session without a type counts
-- as a client.
SELECT a.datname::text AS database_name, a.usename::text AS user_name,
    coalesce(nullif(a.application_name, ''), '(no name)') AS application_name, count(*) AS connection_count
FROM pg_stat_activity a
WHERE coalesce(a.backend_type, 'client backend') = 'client backend' AND a.usesysid IS NOT NULL AND a.datid IS NOT NULL
GROUP BY 1, 2, 3
ORDER BY 4 DESC, 1, 2, 3
LIMIT 5
