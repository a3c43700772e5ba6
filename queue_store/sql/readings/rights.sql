-- The name and the roles of this login, and the rights that `queuectl grant-roles` grants but our roles lack.
WITH our_tables(name) AS (
    SELECT unnest(ARRAY['processing_queue', 'alert_contacts', 'alert_notices', 'alerts', 'audit_log', 'audit_seal', 'baselines',
        'beat_leader', 'beats', 'cancel_requests', 'connection_checks', 'depth_minutes', 'error_hours', 'flows',
        'flow_execution_logs', 'maintenance_runs', 'open_slices', 'processed_surveys', 'producer_flows',
        'queue_control', 'record_attempts', 'record_progress', 'rollup_deltas', 'rollup_hours', 'rollup_minutes',
        'rollup_overall', 'rollup_progress', 'rollup_totals', 'schedule_occurrences', 'schema_version', 'worker_processes'])
), our_roles(name) AS (
    SELECT unnest(ARRAY['processing_queue_producer', 'processing_queue_flow_producer', 'processing_queue_worker',
        'processing_queue_monitor', 'processing_queue_admin'])
), missing(problem) AS (
    SELECT format('the role %%s is missing', r.name) FROM our_roles r WHERE to_regrole(r.name) IS NULL
    UNION ALL
    SELECT format('%%s may not read %%s', r.name, t.name)
    FROM our_roles r CROSS JOIN our_tables t
    WHERE r.name NOT LIKE '%%producer'
        AND NOT (r.name = 'processing_queue_monitor' AND t.name IN ('open_slices', 'processed_surveys'))
        AND NOT has_any_column_privilege(to_regrole(r.name), to_regclass('public.' || t.name), 'SELECT')
    UNION ALL
    SELECT format('%%s may not add records', r.name) FROM our_roles r
    WHERE r.name NOT LIKE '%%monitor'
        AND NOT has_any_column_privilege(to_regrole(r.name), to_regclass('public.processing_queue'), 'INSERT')
    UNION ALL
    SELECT format('%%s may not call %%s', r.name, p.proname)
    FROM our_roles r CROSS JOIN pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
        AND (p.proname = 'known_flows'
            OR r.name NOT LIKE '%%monitor'
                AND p.proname IN ('enqueue_record', 'enqueue_or_explain', 'enqueue_with_task_id', 'own_records')
            OR r.name LIKE '%%admin' AND p.proname IN ('purge_audit', 'seal_audit_anew'))
        AND NOT has_function_privilege(to_regrole(r.name), p.oid, 'EXECUTE')
)
SELECT current_user::text AS login,
    coalesce((SELECT pg_has_role(current_user, t.relowner, 'USAGE') FROM pg_class t
        WHERE t.oid = to_regclass('public.processing_queue')), false) AS is_owner,
    ARRAY(SELECT r.name FROM our_roles r WHERE pg_has_role(to_regrole(r.name), 'USAGE') ORDER BY 1) AS roles,
    ARRAY(SELECT problem FROM missing ORDER BY 1) AS missing,
    EXISTS (SELECT FROM pg_namespace, aclexplode(nspacl) AS granted
        WHERE nspname = 'public' AND granted.grantee = 0 AND granted.privilege_type = 'CREATE') AS everybody_may_create,
    ARRAY(SELECT DISTINCT a.usename::text FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.application_name LIKE 'processing_queue worker %%'
        ORDER BY 1) AS worker_logins,
    coalesce(pg_has_role(to_regrole('processing_queue_worker'), 'pg_read_all_stats', 'USAGE')
        AND pg_has_role(to_regrole('processing_queue_worker'), 'pg_signal_backend', 'USAGE'), false) AS rescue_sees_sessions
