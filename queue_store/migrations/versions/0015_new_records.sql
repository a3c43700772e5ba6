-- Records of before whose counters leave no room get some. First of all, while nothing is locked.
DO $$
BEGIN
    IF EXISTS (SELECT FROM processing_queue
        WHERE status IN ('pending', 'processing', 'failed')
            AND (claim_number > 1000000000 OR retry_count > 1000000000 OR crash_strikes > 1000)) THEN
        ALTER TABLE processing_queue DISABLE TRIGGER only_known_transitions;
        UPDATE processing_queue
        SET claim_number = least(claim_number, 1000000000), retry_count = least(retry_count, 1000000000),
            crash_strikes = least(crash_strikes, 1000)
        WHERE status IN ('pending', 'processing', 'failed')
            AND (claim_number > 1000000000 OR retry_count > 1000000000 OR crash_strikes > 1000);
        ALTER TABLE processing_queue ENABLE TRIGGER only_known_transitions;
    END IF;
END $$;

-- What a new row may hold. After the INSERT, not before it: a BEFORE trigger would keep COPY from writing many rows at a
-- time. Whoever restores a backup brings rows back as they were, but for counters and ids that leave no room.
CREATE FUNCTION refuse_new_record() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.id NOT BETWEEN 1 AND 4611686018427387904 THEN 'has an id between 1 and 2 ^ 62'
        WHEN greatest(NEW.claim_number, NEW.retry_count) > 1000000000
            OR greatest(NEW.crash_strikes, NEW.unfinished_claims) > 1000 THEN 'has counters that leave room to count on'
        WHEN current_setting('processing_queue.restoring', true) = 'on'
            AND has_table_privilege('public.processing_queue', 'TRUNCATE') THEN NULL
        WHEN NEW.status = 'processing' THEN 'is not processing: only a claim makes it so'
        WHEN NEW.status = 'pending' THEN 'that is pending was never claimed: its counters are 0, and it has no started_at, '
            'batch_limit, error_message or result'
        ELSE 'has its instants in the years from 2000 to 9998' END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'a new record %', problem
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
                  HINT = 'Leave out the columns that docs/sql-contract.md does not name.';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER processing_queue_new_record AFTER INSERT ON processing_queue
    FOR EACH ROW WHEN (
        NEW.status <> 'pending' AND (
            NEW.status = 'processing'
            OR NEW.claim_number > 1000000000 OR NEW.retry_count > 1000000000
            OR NEW.crash_strikes > 1000 OR NEW.unfinished_claims > 1000
            OR NEW.claimed_at < '2000-01-01Z' OR NEW.claimed_at >= '9999-01-01Z'
            OR NEW.started_at < '2000-01-01Z' OR NEW.started_at >= '9999-01-01Z'
            OR NEW.completed_at < '2000-01-01Z' OR NEW.completed_at >= '9999-01-01Z')
        OR NEW.status = 'pending' AND (
            NEW.claim_number <> 0 OR NEW.retry_count <> 0 OR NEW.crash_strikes <> 0 OR NEW.unfinished_claims <> 0
            OR NEW.batch_limit IS NOT NULL OR NEW.started_at IS NOT NULL
            OR NEW.error_message IS NOT NULL OR NEW.result IS NOT NULL)
        OR NEW.id < 1 OR NEW.id > 4611686018427387904)
    EXECUTE FUNCTION refuse_new_record();

-- A record without a next claim number is not claimed: it would fail the claim of all others. No new one is like that.
CREATE OR REPLACE VIEW unblocked_records WITH (security_invoker = true) AS
SELECT q.id, q.flow_name, q.status, q.priority, q.scheduled_at, q.batch_limit FROM processing_queue q
WHERE q.claim_number < 2147483647 AND (q.order_key IS NULL OR (
    NOT EXISTS (
        SELECT FROM processing_queue earlier
        WHERE earlier.flow_name = q.flow_name AND earlier.order_key = q.order_key AND earlier.id < q.id
            AND blocks_key(earlier.status, (SELECT f.failure_blocks_key FROM flows f WHERE f.flow_name = q.flow_name)))
    AND NOT EXISTS (
        SELECT FROM running_keys running
        WHERE running.flow_name = q.flow_name AND running.order_key = q.order_key OFFSET 0)));

-- A flow whose claims fail: since when, how often, when last, and why. NULL when the last one did not.
ALTER TABLE flows
    ADD COLUMN claims_failing_since timestamptz,
    ADD COLUMN claims_failed_at timestamptz,
    ADD COLUMN claims_failed integer NOT NULL DEFAULT 0 CHECK (claims_failed >= 0),
    ADD COLUMN claims_error text;

-- A record that is enqueued with "replace" takes over whatever is said of it, not its payload alone.
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
        VALUES (wanted_flow_name, new_payload, coalesce(new_priority, 5),
            coalesce(due_at, now() + make_interval(secs => coalesce(delay_seconds, 0))),
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
        -- What is not said stays. A delay of 0 is not said: code of before sends it with every record.
        UPDATE public.processing_queue q
        SET payload = new_payload, updated_at = clock_timestamp(), priority = coalesce(new_priority, q.priority),
            scheduled_at = coalesce(due_at, now() + make_interval(secs => nullif(delay_seconds, 0)), q.scheduled_at),
            order_key = coalesce(new_order_key, q.order_key),
            correlation_id = coalesce(new_correlation_id, q.correlation_id),
            trace_context = coalesce(new_trace_context, q.trace_context)
        WHERE q.id = record_id AND q.status = 'pending' AND q.dedup_key = wanted_dedup_key;
        IF FOUND THEN
            what := 'replaced';
            RETURN;
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION enqueue_record(
    flow_name text, payload jsonb DEFAULT '{}', priority integer DEFAULT NULL, scheduled_at timestamptz DEFAULT NULL,
    dedup_key text DEFAULT NULL, on_duplicate text DEFAULT 'raise', order_key text DEFAULT NULL,
    correlation_id text DEFAULT NULL, trace_context text DEFAULT NULL)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done record;
BEGIN
    IF priority NOT BETWEEN 0 AND 9 THEN
        RAISE EXCEPTION 'priority must be between 0 and 9' USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO done FROM public.enqueue_or_explain(flow_name, payload, priority::smallint, scheduled_at, NULL, dedup_key,
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
