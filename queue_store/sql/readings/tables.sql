-- How large our tables are, and how much of them is dead.
SELECT t.relname::text, pg_total_relation_size(t.relid) AS bytes, t.n_live_tup, t.n_dead_tup,
    greatest(t.last_autovacuum, t.last_vacuum) AS vacuumed_at
FROM pg_stat_user_tables t
WHERE t.relname IN ('processing_queue', 'record_attempts', 'flow_execution_logs', 'rollup_minutes', 'rollup_deltas',
    'worker_processes', 'audit_log')
ORDER BY bytes DESC
