-- The connections to this database, by application. A login with the role monitor does not see the state of other
-- users' sessions.
SELECT coalesce(nullif(a.application_name, ''), '(no name)') AS application_name, count(*) AS connection_count,
    count(*) FILTER (WHERE a.state = 'active') AS active_count,
    count(*) FILTER (WHERE a.wait_event_type = 'Lock') AS waiting_count,
    count(*) FILTER (WHERE a.state LIKE 'idle in transaction%%') AS idle_in_transaction_count,
    count(*) FILTER (WHERE a.state LIKE 'idle in transaction%%'
        AND a.state_change < clock_timestamp() - make_interval(secs => %(long_idle_seconds)s)) AS long_idle_count
FROM pg_stat_activity a
WHERE a.datname = current_database() AND coalesce(a.backend_type, 'client backend') = 'client backend'
    AND a.usesysid IS NOT NULL
GROUP BY 1
ORDER BY 2 DESC, 1
