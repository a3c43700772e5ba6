-- Rules for every SECURITY DEFINER function of ours, held by tests/database/test_definer_functions.py:
-- 1. Its search_path is pg_catalog, pg_temp, and it names everything else with its schema. Where somebody may create
--    objects in public, an operator or a function of his could otherwise run as the owner.
-- 2. PUBLIC may not execute it. A trigger needs no right to fire.
-- 3. A trigger function refuses every table but its own: who owns a table can give it any trigger that he may execute.

-- The role that the caller works as. Inside a definer function current_user is the owner, but the setting is not changed.
CREATE FUNCTION caller_role() RETURNS name LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(nullif(current_setting('role'), 'none'), session_user)::name
$$;

-- Which flows a login may enqueue that has the role processing_queue_flow_producer. Only the owner writes here.
CREATE TABLE producer_flows (
    login                     name NOT NULL,
    flow_name                 flow_name NOT NULL,
    PRIMARY KEY (login, flow_name)
);

-- Whether the caller may enqueue the flows of producer_flows only. The table's own rights are asked first: they are
-- what workers, operators and owners have.
CREATE FUNCTION is_limited_producer() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT has_table_privilege(public.caller_role(), 'public.processing_queue', 'INSERT')
        AND EXISTS (SELECT FROM pg_roles
            WHERE rolname = 'processing_queue_flow_producer' AND pg_has_role(public.caller_role(), oid, 'USAGE'))
        AND NOT EXISTS (SELECT FROM pg_roles
            WHERE rolname = 'processing_queue_producer' AND pg_has_role(public.caller_role(), oid, 'USAGE'))
$$;

-- Raises for the first of these flows that the caller may not enqueue.
CREATE FUNCTION refuse_flows_of_others(names text[]) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    refused text;
BEGIN
    IF NOT public.is_limited_producer() THEN
        RETURN;
    END IF;
    SELECT wanted INTO refused FROM unnest(names) AS wanted
    WHERE NOT EXISTS (SELECT FROM public.producer_flows p WHERE p.login = session_user AND p.flow_name = wanted)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the login % may not enqueue records of the flow %', session_user, quote_nullable(left(refused, 64))
            USING ERRCODE = 'insufficient_privilege', HINT = 'The owner of the tables adds it to producer_flows.';
    END IF;
END $$;

CREATE FUNCTION refuse_other_tables(relation oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF relation NOT IN ('public.processing_queue'::regclass, 'public.audit_log'::regclass) THEN
        RAISE EXCEPTION 'this function belongs to the tables of the queue, not to %', relation::regclass
            USING ERRCODE = 'insufficient_privilege', HINT = 'Write a trigger function of your own.';
    END IF;
END $$;

-- Counts every INSERT, whoever sent it, and refuses it while ingestion is stopped. What runs enqueue passes: only a login
-- that may register runs can say that it does.
CREATE OR REPLACE FUNCTION account_for_insert() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller name := coalesce(nullif(current_setting('role'), 'none'), session_user);  -- caller_role(), but quicker
    stopped record;
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    IF NOT has_table_privilege(caller, 'public.processing_queue', 'INSERT') THEN
        PERFORM public.refuse_flows_of_others(ARRAY(SELECT DISTINCT i.flow_name::text FROM inserted i));
    END IF;
    IF current_setting('processing_queue.follow_up', true) IS DISTINCT FROM 'on'
        OR NOT has_table_privilege(caller, 'public.flow_execution_logs', 'INSERT') THEN
        SELECT 'all flows' AS what, c.ingestion_stop_reason AS reason INTO stopped
        FROM public.queue_control c WHERE c.ingestion_stopped_at IS NOT NULL AND EXISTS (SELECT FROM inserted)
        UNION ALL
        SELECT 'flow ' || f.flow_name, f.ingestion_stop_reason
        FROM public.flows f WHERE f.ingestion_stopped_at IS NOT NULL
            AND EXISTS (SELECT FROM inserted i WHERE i.flow_name = f.flow_name)
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'ingestion is stopped for %: %', stopped.what, coalesce(stopped.reason, 'no reason given')
                USING ERRCODE = 'PQ001', HINT = 'Try again after an operator ran queuectl resume --ingestion.';
        END IF;
    END IF;
    INSERT INTO public.rollup_deltas (flow_name, enqueued, completed_adjusted, failed_adjusted, cancelled_adjusted)
    SELECT flow_name, count(*), count(*) FILTER (WHERE status = 'completed'),
        count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'cancelled')
    FROM inserted GROUP BY flow_name;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION account_for_delete() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    DELETE FROM public.record_attempts a USING deleted d WHERE a.record_id = d.id;
    DELETE FROM public.record_progress p USING deleted d WHERE p.record_id = d.id;
    DELETE FROM public.cancel_requests c USING deleted d WHERE c.record_id = d.id;
    INSERT INTO public.rollup_deltas (flow_name, purged, completed_adjusted, failed_adjusted, cancelled_adjusted)
    SELECT flow_name, count(*), -count(*) FILTER (WHERE status = 'completed'),
        -count(*) FILTER (WHERE status = 'failed'), -count(*) FILTER (WHERE status = 'cancelled')
    FROM deleted GROUP BY flow_name;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION account_for_truncate() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    TRUNCATE public.record_attempts, public.record_progress, public.cancel_requests, public.rollup_deltas,
        public.rollup_totals;
    RETURN NULL;
END $$;

-- enqueue: → pending, and what came of it: 'inserted', 'duplicate', 'replaced', 'running' (its payload cannot be
-- replaced any more) or 'unknown flow'. Raises nothing for these, so that the caller's transaction stays usable.
-- A payload is replaced by the login that enqueued it, or by who may change payloads anyway; for others it raises.
-- The loop: a twin that kept the INSERT back may have ended before it is looked up.
CREATE OR REPLACE FUNCTION enqueue_or_explain(
    wanted_flow_name text, new_payload jsonb, new_priority smallint, due_at timestamptz, delay_seconds double precision,
    wanted_dedup_key text, on_duplicate text, new_order_key text, new_correlation_id text, new_trace_context text,
    is_follow_up boolean,
    OUT record_id bigint, OUT what text, OUT flow_celery_queue text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller name := coalesce(nullif(current_setting('role'), 'none'), session_user);  -- caller_role(), but quicker
    twin_status text;
    twin_login text;
BEGIN
    IF on_duplicate IS NULL OR on_duplicate NOT IN ('raise', 'skip', 'replace') THEN
        RAISE EXCEPTION 'on_duplicate must be raise, skip or replace' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT has_table_privilege(caller, 'public.processing_queue', 'INSERT') THEN
        PERFORM public.refuse_flows_of_others(ARRAY[wanted_flow_name]);
    END IF;
    SELECT f.celery_queue INTO flow_celery_queue FROM public.flows f WHERE f.flow_name = wanted_flow_name;
    IF NOT FOUND THEN
        what := 'unknown flow';
        RETURN;
    END IF;
    IF is_follow_up THEN
        PERFORM set_config('processing_queue.follow_up', 'on', true);
    END IF;
    LOOP
        INSERT INTO public.processing_queue (flow_name, payload, priority, scheduled_at, dedup_key, order_key,
            correlation_id, trace_context, enqueued_by)
        VALUES (wanted_flow_name, new_payload, new_priority,
            coalesce(due_at, now() + make_interval(secs => delay_seconds)),
            wanted_dedup_key, new_order_key, new_correlation_id, new_trace_context,
            -- Set by the Celery task that enqueues: the record belongs to whoever sent the message, not to the worker.
            session_user || CASE current_setting('processing_queue.by_message', true) WHEN 'on' THEN ' by message' ELSE '' END)
        ON CONFLICT (flow_name, dedup_key)
            WHERE dedup_key IS NOT NULL AND status IN ('pending', 'processing') DO NOTHING
        RETURNING id INTO record_id;
        IF FOUND THEN
            what := 'inserted';
            RETURN;
        END IF;
        SELECT q.id, q.status, q.enqueued_by INTO record_id, twin_status, twin_login FROM public.processing_queue q
        WHERE q.flow_name = wanted_flow_name AND q.dedup_key = wanted_dedup_key
            AND q.status IN ('pending', 'processing');
        CONTINUE WHEN NOT FOUND;
        IF on_duplicate <> 'replace' OR twin_status = 'processing' THEN
            what := CASE on_duplicate WHEN 'replace' THEN 'running' ELSE 'duplicate' END;
            RETURN;
        END IF;
        IF twin_login <> session_user
            AND NOT has_column_privilege(caller, 'public.processing_queue', 'payload', 'UPDATE') THEN
            RAISE EXCEPTION 'record % has this dedup_key and belongs to another login: its payload cannot be replaced', record_id
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'Only the login that enqueued a record and operators replace its payload.';
        END IF;
        UPDATE public.processing_queue q SET payload = new_payload, updated_at = clock_timestamp()
        WHERE q.id = record_id AND q.status = 'pending' AND q.dedup_key = wanted_dedup_key;
        IF FOUND THEN
            what := 'replaced';
            RETURN;
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION enqueue_record(
    flow_name text, payload jsonb DEFAULT '{}', priority integer DEFAULT 5, scheduled_at timestamptz DEFAULT NULL,
    dedup_key text DEFAULT NULL, on_duplicate text DEFAULT 'raise', order_key text DEFAULT NULL,
    correlation_id text DEFAULT NULL, trace_context text DEFAULT NULL)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done record;
BEGIN
    IF priority IS NULL OR priority NOT BETWEEN 0 AND 9 THEN
        RAISE EXCEPTION 'priority must be between 0 and 9' USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO done FROM public.enqueue_or_explain(flow_name, payload, priority::smallint, scheduled_at, 0, dedup_key,
        on_duplicate, order_key, correlation_id, trace_context, false);
    IF done.what = 'unknown flow' THEN
        RAISE EXCEPTION 'no flow % is registered', quote_nullable(left(flow_name, 64))
            USING ERRCODE = 'PQ002', HINT = 'A flow is registered when a worker that has it starts.';
    ELSIF done.what = 'running' THEN
        RAISE EXCEPTION 'record % has this dedup_key and is running: its payload cannot be replaced', done.record_id
            USING ERRCODE = 'unique_violation';
    ELSIF done.what = 'duplicate' AND on_duplicate = 'raise' THEN
        RAISE EXCEPTION 'record % of this flow has the same dedup_key and is not finished', done.record_id
            USING ERRCODE = 'unique_violation', HINT = 'Pass on_duplicate => ''skip'' to get its id instead.';
    END IF;
    RETURN done.record_id;
END $$;

CREATE OR REPLACE FUNCTION own_records(ids bigint[])
    RETURNS TABLE (id bigint, flow_name text, status text, scheduled_at timestamptz, created_at timestamptz,
        completed_at timestamptz, retry_count integer, error_message text, correlation_id text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT q.id, q.flow_name, q.status, q.scheduled_at, q.created_at, q.completed_at, q.retry_count, q.error_message,
        q.correlation_id
    FROM public.processing_queue q WHERE q.id = ANY($1) AND q.enqueued_by = session_user ORDER BY q.id
$$;

-- A limited producer sees the names of its own flows only.
CREATE OR REPLACE FUNCTION known_flows() RETURNS TABLE (flow_name text, celery_queue text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.flow_name, f.celery_queue FROM public.flows f
    WHERE NOT (SELECT public.is_limited_producer())
        OR EXISTS (SELECT FROM public.producer_flows p WHERE p.login = session_user AND p.flow_name = f.flow_name)
$$;

-- cancel, by a producer: pending → cancelled at once; a processing record is asked to stop. Of these ids those that the
-- login has enqueued itself, with what happened: 'cancelled' or 'asked'. In the order in which everybody locks.
CREATE FUNCTION cancel_own_records(ids bigint[], reason text DEFAULT NULL) RETURNS TABLE (id bigint, what text)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH live AS MATERIALIZED (
        SELECT q.id, q.status, q.flow_name FROM public.processing_queue q
        WHERE q.id = ANY($1) AND q.enqueued_by = session_user AND q.status IN ('pending', 'processing')
        ORDER BY q.id
    ), pending AS MATERIALIZED (
        SELECT q.id FROM public.processing_queue q
        WHERE q.id = ANY(ARRAY(SELECT live.id FROM live WHERE live.status = 'pending')) AND q.status = 'pending'
        ORDER BY q.id
        FOR NO KEY UPDATE
    ), cancelled AS (
        UPDATE public.processing_queue q SET status = 'cancelled', batch_limit = NULL, updated_at = clock_timestamp()
        FROM pending WHERE q.id = pending.id
        RETURNING q.id, q.flow_name
    ), asked AS (
        INSERT INTO public.cancel_requests (record_id, requested_by, reason)
        SELECT live.id, session_user, left($2, 1000) FROM live WHERE live.id NOT IN (SELECT c.id FROM cancelled c)
        ON CONFLICT (record_id) DO NOTHING
    ), counted AS (
        INSERT INTO public.rollup_deltas (flow_name, cancelled)
        SELECT c.flow_name, count(*) FROM cancelled c GROUP BY c.flow_name
    )
    SELECT c.id, 'cancelled' FROM cancelled c
    UNION ALL SELECT live.id, 'asked' FROM live WHERE live.id NOT IN (SELECT c.id FROM cancelled c)
$$;

-- The audit log is sealed: its rows are numbered without a gap, and each seal is a digest of the row and of the seal
-- before it. So a row that is lost, changed or put in between is found (maintenance/integrity/broken_seals.sql). This
-- shows mistakes and repairs by hand. The owner of the tables could seal everything anew.
ALTER TABLE audit_log ADD COLUMN login text NOT NULL DEFAULT session_user;
ALTER TABLE audit_log ADD COLUMN number bigint;
ALTER TABLE audit_log ADD COLUMN seal bytea;

-- One row: the newest row's number and seal, and those of the last row that retention has taken.
CREATE TABLE audit_seal (
    only_row                  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    number                    bigint NOT NULL DEFAULT 0,
    seal                      bytea NOT NULL DEFAULT '',
    purged_number             bigint NOT NULL DEFAULT 0,
    purged_seal               bytea NOT NULL DEFAULT ''
);
INSERT INTO audit_seal DEFAULT VALUES;

CREATE FUNCTION seal_of(seal_before bytea, sealed audit_log) RETURNS bytea
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256($1 || convert_to(jsonb_build_array(($2).number, extract(epoch FROM ($2).at), ($2).login, ($2).actor,
        ($2).action, ($2).target, ($2).affected_count, ($2).details)::text, 'UTF8'))
$$;

-- The lock on the one row is held until COMMIT: whoever changes something writes its audit row last.
CREATE FUNCTION seal_audit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest public.audit_seal;
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    SELECT * INTO STRICT newest FROM public.audit_seal FOR NO KEY UPDATE;
    IF NOT pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        NEW.login := session_user;  -- the owner brings back rows of others, from a backup
    END IF;
    NEW.number := newest.number + 1;
    NEW.seal := public.seal_of(newest.seal, NEW);
    UPDATE public.audit_seal SET number = NEW.number, seal = NEW.seal;
    RETURN NEW;
END $$;
CREATE TRIGGER seal_audit BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION seal_audit();

-- Seals all that is there, and writes a row that says so: what was lost or changed before is accepted with it.
CREATE FUNCTION seal_audit_anew(who text, found jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sealed public.audit_log;
    newest public.audit_seal;
BEGIN
    LOCK TABLE public.audit_log IN SHARE ROW EXCLUSIVE MODE;
    UPDATE public.audit_seal SET number = 0, seal = '', purged_number = 0, purged_seal = '' RETURNING * INTO newest;
    UPDATE public.audit_log SET number = NULL;
    FOR sealed IN SELECT * FROM public.audit_log ORDER BY id LOOP
        newest.number := newest.number + 1;
        sealed.number := newest.number;
        newest.seal := public.seal_of(newest.seal, sealed);
        UPDATE public.audit_log a SET number = newest.number, seal = newest.seal WHERE a.id = sealed.id;
    END LOOP;
    UPDATE public.audit_seal SET number = newest.number, seal = newest.seal;
    INSERT INTO public.audit_log (actor, action, target, affected_count, details)
    VALUES ($1, 'seal anew', 'audit_log', newest.number, jsonb_build_object('found', $2));
END $$;
DO $$ BEGIN
    IF EXISTS (SELECT FROM audit_log) THEN
        PERFORM seal_audit_anew('migration 0013', '[]');
    END IF;
END $$;
CREATE UNIQUE INDEX audit_log_number ON audit_log (number);

-- The one way for others than its owner to take something from it: what is older than a day, the oldest first.
CREATE OR REPLACE FUNCTION purge_audit(older_than interval, most bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last_number bigint;
    purged_count bigint;
BEGIN
    PERFORM FROM public.audit_seal FOR NO KEY UPDATE;
    SELECT max(old.number) INTO last_number FROM (
        SELECT a.number FROM public.audit_log a
        WHERE a.number < coalesce(
            (SELECT min(young.number) FROM public.audit_log young
                WHERE young.at >= now() - greatest($1, interval '1 day')), 9223372036854775807)
        ORDER BY a.number LIMIT $2) old;
    UPDATE public.audit_seal s SET purged_number = a.number, purged_seal = a.seal
    FROM public.audit_log a WHERE a.number = last_number;
    DELETE FROM public.audit_log a WHERE a.number <= last_number;
    GET DIAGNOSTICS purged_count = ROW_COUNT;
    RETURN purged_count;
END $$;

REVOKE ALL ON FUNCTION is_limited_producer, refuse_flows_of_others, account_for_insert, account_for_delete,
    account_for_truncate, cancel_own_records, seal_audit, seal_audit_anew FROM PUBLIC;
