-- The sizes of our busiest tables, and the estimated numbers of their live and dead rows.
SELECT t.relname::text AS table_name, pg_total_relation_size(t.relid) AS bytes, t.n_live_tup AS live_rows, t.n_dead_tup AS dead_rows,
    greatest(t.last_autovacuum, t.last_vacuum) AS vacuumed_at
FROM pg_stat_user_tables t
WHERE t.schemaname = 'public' AND t.relname IN ('processing_queue', 'record_attempts', 'flow_execution_logs',
    'rollup_minutes', 'rollup_deltas', 'worker_processes', 'audit_log')
ORDER BY bytes DESC
