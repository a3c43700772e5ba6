-- How the server and this database are set up. A login with the role monitor may read everything that this statement
-- returns.
SELECT current_setting('server_version_num')::integer AS server_version_number, clock_timestamp() AS clock,
    current_setting('autovacuum')::boolean AS autovacuum_is_on,
    current_setting('track_counts')::boolean AS counts_are_tracked,
    ARRAY(SELECT extname::text FROM pg_extension ORDER BY 1) AS extensions,
    ARRAY(SELECT c.relname::text FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
            AND c.relname IN ('processing_queue', 'record_attempts', 'flow_execution_logs', 'rollup_minutes',
                'rollup_deltas', 'worker_processes', 'audit_log')
            AND EXISTS (SELECT FROM pg_options_to_table(c.reloptions)
                WHERE option_name = 'autovacuum_enabled' AND NOT option_value::boolean)
        ORDER BY 1) AS tables_without_autovacuum,
    ARRAY(SELECT problem FROM (
        SELECT format('%%s is prepared since %%s', p.gid, to_char(p.prepared, 'YYYY-MM-DD HH24:MI:SS TZ')) AS problem
        FROM pg_prepared_xacts p
        WHERE p.database = current_database()
            AND p.prepared < clock_timestamp() - make_interval(secs => %(prepared_seconds)s)
        ORDER BY p.prepared LIMIT 5) forgotten) AS forgotten_prepared_transactions
