-- Returns those of our busy tables that were never vacuumed, according to the server's statistics. A crash resets these
-- statistics, so autovacuum no longer knows how many dead rows the tables have.
SELECT s.relname
FROM pg_stat_user_tables s
WHERE s.schemaname = 'public' AND s.last_vacuum IS NULL AND s.last_autovacuum IS NULL
    AND s.relname IN ('processing_queue', 'flow_execution_logs', 'worker_processes', 'rollup_deltas',
        'rollup_minutes', 'record_attempts', 'record_progress', 'cancel_requests')
ORDER BY s.relname
