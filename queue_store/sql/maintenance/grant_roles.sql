-- The five roles, each with the fewest rights that its work needs. The roles have rights on the queue's tables,
-- sequences and functions, and on nothing else in the schema. The roles cannot log in: grant them to login roles of
-- your own. This statement can be executed repeatedly. If it was executed in this database before, `queuectl migrate`
-- executes it again.
DO $$
DECLARE
    wanted text;
    live text[] := ARRAY['cancel_requests', 'record_progress', 'rollup_deltas', 'error_hours', 'processed_surveys',
        'open_slices'];
    known text[] := ARRAY['flows', 'worker_processes', 'flow_execution_logs', 'record_attempts',
        'schedule_occurrences', 'rollup_progress'];
    -- All SECURITY DEFINER functions of the queue. A dump that is restored without privileges lets PUBLIC call these
    -- functions, until this statement revokes that right.
    definer text := 'account_for_insert, account_for_delete, account_for_truncate, cancel_own_records, '
        'enqueue_or_explain, enqueue_record, enqueue_with_task_id, is_limited_producer, known_flows, own_records, '
        'purge_audit, refuse_flows_of_others, seal_audit, seal_audit_anew, sum_minutes';
    kept text[] := ARRAY['queue_control', 'rollup_minutes', 'rollup_totals', 'rollup_hours', 'depth_minutes', 'alerts',
        'alert_contacts', 'alert_notices', 'maintenance_runs', 'beats', 'beat_leader', 'baselines', 'connection_checks',
        'rollup_overall'];
    read_only text[] := ARRAY['audit_log', 'audit_seal', 'producer_flows', 'schema_version'];
    vacuumed text := 'processing_queue, flow_execution_logs, worker_processes, rollup_deltas, record_attempts';
    worked text := array_to_string(live || known || kept, ', ');
    everything text := worked || ', ' || array_to_string(read_only, ', ');
    sequences text;
    unsafe text;
BEGIN
    -- Without this check, any login could create a function or an SQL operator in the schema, and the statements of
    -- workers would call this function or operator.
    SELECT quote_ident(nspname) INTO unsafe FROM pg_namespace, aclexplode(nspacl) AS granted
    WHERE granted.grantee = 0 AND granted.privilege_type = 'CREATE'
        AND nspname IN (SELECT 'public' UNION ALL SELECT unnest(current_schemas(false)));
    IF FOUND THEN
        RAISE EXCEPTION 'every login may create objects in the schema %: no role is safe there', unsafe
            USING ERRCODE = 'PQ003',
                  HINT = format('REVOKE CREATE ON SCHEMA %s FROM PUBLIC, then grant the roles again.', unsafe);
    END IF;
    PERFORM set_config('search_path', 'public, pg_temp', true); -- for the names below, which have no schema
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', definer);
    FOREACH wanted IN ARRAY ARRAY['processing_queue_producer', 'processing_queue_flow_producer',
        'processing_queue_worker', 'processing_queue_monitor', 'processing_queue_admin'] LOOP
        -- An owner who may not create roles can still grant rights to existing ones.
        IF to_regrole(wanted) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', wanted);
    END LOOP;
    SELECT string_agg(s.oid::regclass::text, ', ') INTO sequences
    FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    WHERE s.relkind = 'S' AND d.refobjid = ANY(
        SELECT to_regclass('public.' || name) FROM unnest(live || known || kept || read_only || 'processing_queue'::text) name);

    -- producer: enqueues records, and reads and cancels its own records by id. flow_producer has these rights, too, but
    -- only for the flows that producer_flows names.
    GRANT INSERT (flow_name, payload, priority, scheduled_at, dedup_key, order_key, correlation_id, trace_context)
        ON processing_queue TO processing_queue_producer, processing_queue_flow_producer;
    GRANT EXECUTE ON FUNCTION enqueue_record, enqueue_or_explain, enqueue_with_task_id, known_flows, own_records,
        cancel_own_records TO processing_queue_producer, processing_queue_flow_producer;

    -- worker: processes records. The role can neither UPDATE a record's payload, priority or keys, nor delete a record.
    EXECUTE format('GRANT SELECT ON processing_queue, %s TO processing_queue_worker', everything);
    EXECUTE format('GRANT USAGE ON SEQUENCE %s TO processing_queue_worker', sequences);
    GRANT INSERT ON processing_queue TO processing_queue_worker;
    GRANT UPDATE (status, scheduled_at, updated_at, claimed_at, started_at, completed_at, flow_instance_id,
        claim_number, retry_count, crash_strikes, batch_limit, unfinished_claims, error_message, result)
        ON processing_queue TO processing_queue_worker;
    EXECUTE format('GRANT INSERT, UPDATE ON %s TO processing_queue_worker', array_to_string(known, ', '));
    EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %s TO processing_queue_worker', array_to_string(live, ', '));
    -- Each worker process folds deltas. If no beat enqueues recurring records, worker processes enqueue them.
    GRANT INSERT, UPDATE ON rollup_minutes, rollup_hours, rollup_totals, depth_minutes TO processing_queue_worker;
    GRANT EXECUTE ON FUNCTION enqueue_record, enqueue_or_explain, enqueue_with_task_id, known_flows, own_records,
        cancel_own_records TO processing_queue_worker;
    GRANT EXECUTE ON FUNCTION busy_runs, processing_but_of_runs, processing_counts, unindexed, seal_of, blocks_key
        TO processing_queue_worker, processing_queue_monitor, processing_queue_admin;
    GRANT SELECT ON unblocked_records, running_keys
        TO processing_queue_worker, processing_queue_monitor, processing_queue_admin;
    -- A claim locks rows of the view, and Postgres demands this right for the locks. Through the view, a role can
    -- change only the columns that it may change in the table.
    GRANT UPDATE (id) ON unblocked_records TO processing_queue_worker, processing_queue_admin;

    -- monitor: reads everything except payloads, results, and the two tables of the REVOKE below.
    EXECUTE format('GRANT SELECT ON %s TO processing_queue_monitor', everything);
    REVOKE SELECT ON processed_surveys, open_slices FROM processing_queue_monitor;
    EXECUTE format('GRANT SELECT ON SEQUENCE %s TO processing_queue_monitor', sequences);
    EXECUTE (
        SELECT format('GRANT SELECT (%s) ON processing_queue TO processing_queue_monitor',
            string_agg(quote_ident(column_name), ', '))
        FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name = 'processing_queue'
            AND column_name NOT IN ('payload', 'result'));
    GRANT EXECUTE ON FUNCTION known_flows TO processing_queue_monitor;

    -- admin: for operators, and for the worker that serves the Celery queue `control`, because the maintenance tasks
    -- of that worker delete records. The role can add rows to the audit log. It can delete these rows only by
    -- purge_audit, which keeps the rows of the last day.
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON processing_queue, %s TO processing_queue_admin',
        worked);
    GRANT SELECT, INSERT ON audit_log TO processing_queue_admin;
    GRANT SELECT ON audit_seal, producer_flows, schema_version TO processing_queue_admin;
    EXECUTE format('GRANT SELECT, USAGE, UPDATE ON SEQUENCE %s TO processing_queue_admin', sequences);
    GRANT EXECUTE ON FUNCTION enqueue_record, enqueue_or_explain, enqueue_with_task_id, known_flows, own_records,
        cancel_own_records, purge_audit, seal_audit_anew TO processing_queue_admin;

    -- After a crash of the server, autovacuum does not know which tables need a VACUUM. So the roles `worker` and
    -- `admin` may vacuum these tables. Before Postgres 17, only the owner of a table can vacuum it.
    IF current_setting('server_version_num')::integer >= 170000 THEN
        EXECUTE format('GRANT MAINTAIN ON %s TO processing_queue_worker, processing_queue_admin', vacuumed);
    END IF;

    -- Rescue ends the sessions of dead runs, and must see when other roles' sessions began. The monitor does not get
    -- this right, because pg_read_all_stats also shows the statements of all sessions, including their payloads. A
    -- session in another database of this server may be granting the same rights at this moment. In that case, before
    -- Postgres 16, this statement fails when that session commits.
    FOR attempt IN 1..3 LOOP
        BEGIN
            GRANT pg_read_all_stats, pg_signal_backend TO processing_queue_worker, processing_queue_admin;
            REVOKE pg_read_all_stats FROM processing_queue_monitor;
            EXIT;
        EXCEPTION
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'this login may not grant pg_read_all_stats: let all workers log in as one role';
                EXIT;
            WHEN unique_violation OR internal_error THEN
                IF attempt = 3 THEN
                    RAISE;
                END IF;
        END;
    END LOOP;
END $$
