-- The four roles, each with the least that its work needs. They cannot log in: grant them to login roles of your own.
-- May be repeated, and must be after each migration that brings tables.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['producer', 'worker', 'monitor', 'admin'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'processing_queue_' || wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'processing_queue_' || wanted);
    END LOOP;

    -- producer: puts records in, and reads nothing.
    GRANT INSERT (flow_name, payload, priority, scheduled_at, dedup_key, order_key, correlation_id, trace_context)
        ON processing_queue TO processing_queue_producer;
    GRANT EXECUTE ON FUNCTION enqueue_record, enqueue_or_explain, known_flows TO processing_queue_producer;

    -- worker: moves records along. It cannot change what a record says, nor remove one.
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO processing_queue_worker;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO processing_queue_worker;
    GRANT INSERT ON processing_queue TO processing_queue_worker;
    GRANT UPDATE (status, scheduled_at, updated_at, claimed_at, started_at, completed_at, flow_instance_id,
        claim_number, retry_count, crash_strikes, batch_limit, error_message, result)
        ON processing_queue TO processing_queue_worker;
    GRANT INSERT, UPDATE ON flows, worker_processes, flow_execution_logs, record_attempts TO processing_queue_worker;
    GRANT INSERT, UPDATE, DELETE ON cancel_requests, record_progress, rollup_deltas, processed_surveys
        TO processing_queue_worker;
    -- Each worker process folds the counts, and enqueues recurring records when no beat does.
    GRANT INSERT, UPDATE ON rollup_minutes, rollup_hours, rollup_totals, rollup_progress, depth_minutes,
        schedule_occurrences TO processing_queue_worker;
    GRANT EXECUTE ON FUNCTION enqueue_record, enqueue_or_explain, known_flows TO processing_queue_worker;

    -- monitor: reads all but payloads and results.
    EXECUTE (
        SELECT string_agg(format('GRANT SELECT ON %I TO processing_queue_monitor', table_name), '; ')
        FROM information_schema.tables
        WHERE table_schema = 'public' AND table_name NOT IN ('processing_queue', 'processed_surveys'));
    EXECUTE (
        SELECT format('GRANT SELECT (%s) ON processing_queue TO processing_queue_monitor',
            string_agg(quote_ident(column_name), ', '))
        FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name = 'processing_queue'
            AND column_name NOT IN ('payload', 'result'));

    GRANT EXECUTE ON FUNCTION known_flows TO processing_queue_monitor;

    -- admin: operators, and the worker that serves the Celery queue `control` (retention removes records).
    GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO processing_queue_admin;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO processing_queue_admin;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO processing_queue_admin;

    -- Both vacuum what a crash made autovacuum forget. Before Postgres 17 only the tables' owner can.
    IF current_setting('server_version_num')::integer >= 170000 THEN
        EXECUTE 'GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO processing_queue_worker, processing_queue_admin';
    END IF;

    -- Rescue ends the sessions of the dead, and must see when other roles' sessions began.
    BEGIN
        GRANT pg_read_all_stats, pg_signal_backend TO processing_queue_worker, processing_queue_admin;
        GRANT pg_read_all_stats TO processing_queue_monitor;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE NOTICE 'this login may not grant pg_read_all_stats: let all workers log in as one role';
    END;
END $$
