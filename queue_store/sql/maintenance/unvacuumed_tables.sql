-- Our busy tables of which the server does not know that they were ever vacuumed: a crash wipes its counters, and
-- autovacuum forgets the dead rows that were counted before.
SELECT s.relname
FROM pg_stat_user_tables s
WHERE s.schemaname = 'public' AND s.last_vacuum IS NULL AND s.last_autovacuum IS NULL
    AND s.relname IN ('processing_queue', 'flow_execution_logs', 'worker_processes', 'rollup_deltas',
        'rollup_minutes', 'record_attempts', 'record_progress', 'cancel_requests')
ORDER BY s.relname
