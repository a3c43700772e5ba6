-- Functions that producers call, in any language, to enqueue records, and to read and cancel their own records.

-- Enqueues a record (→ pending), unless its flow has an unfinished record with the same dedup_key. `what` says what
-- happened: 'inserted', 'duplicate', 'replaced', 'running' (the other record is processing, so its payload can no
-- longer be replaced) or 'unknown flow'. None of these cases raises an error, so the caller's transaction stays usable.
-- Only the login that enqueued a record, and logins that may change payloads, can replace it. The function raises an
-- error for other logins. A replacement changes the payload and all other values that the caller gives.
-- The loop is needed because the unfinished record that blocked the INSERT can finish, or be claimed, before it is
-- replaced.
CREATE FUNCTION enqueue_or_explain(
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
REVOKE ALL ON FUNCTION enqueue_or_explain FROM PUBLIC;

-- Enqueues a record (→ pending) with a task id that the caller chose. `what` says what happened: 'inserted', 'unknown
-- flow', or 'same task id' with the id of the record that already has this task id. None of these cases raises an
-- error, so the caller's transaction stays usable.
CREATE FUNCTION enqueue_with_task_id(
    wanted_flow_name text, new_payload jsonb, new_priority smallint, due_at timestamptz, delay_seconds double precision,
    new_correlation_id text, new_trace_context text, wanted_task_id text,
    OUT record_id bigint, OUT what text, OUT flow_celery_queue text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    refused_by text;
BEGIN
    IF wanted_task_id IS NULL OR length(wanted_task_id) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'a task id has 1 to 255 characters' USING ERRCODE = 'check_violation';
    END IF;
    SELECT e.record_id, e.what, e.flow_celery_queue INTO record_id, what, flow_celery_queue
    FROM public.enqueue_or_explain(wanted_flow_name, new_payload, new_priority, due_at, delay_seconds, NULL, 'raise',
        NULL, new_correlation_id, new_trace_context, false) e;
    IF what = 'inserted' THEN
        UPDATE public.processing_queue q SET task_id = wanted_task_id WHERE q.id = record_id;
    END IF;
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS refused_by = CONSTRAINT_NAME;
    IF refused_by <> 'processing_queue_task_id' THEN
        RAISE;
    END IF;
    SELECT q.id INTO record_id FROM public.processing_queue q WHERE q.task_id = wanted_task_id;
    what := 'same task id';
END $$;
REVOKE ALL ON FUNCTION enqueue_with_task_id FROM PUBLIC;

-- Enqueues a record for an application in any language, and returns the record's id. Raises an error if the flow is
-- unknown, if the payload does not fit the flow's schema, or if an existing record is a duplicate that `on_duplicate`
-- does not allow.
CREATE FUNCTION enqueue_record(
    flow_name text, payload jsonb DEFAULT '{}', priority integer DEFAULT NULL, scheduled_at timestamptz DEFAULT NULL,
    dedup_key text DEFAULT NULL, on_duplicate text DEFAULT 'raise', order_key text DEFAULT NULL,
    correlation_id text DEFAULT NULL, trace_context text DEFAULT NULL)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done record;
    problem text;
BEGIN
    IF priority NOT BETWEEN 0 AND 9 THEN
        RAISE EXCEPTION 'priority must be between 0 and 9' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM public.flows f WHERE f.flow_name = enqueue_record.flow_name AND f.declared ? 'payload_schema') THEN
        PERFORM public.refuse_flows_of_others(ARRAY[flow_name]);
        problem := public.payload_problem(flow_name, payload);
        IF problem IS NOT NULL THEN
            RAISE EXCEPTION '%', problem USING ERRCODE = 'check_violation', CONSTRAINT = 'payload_schema',
                HINT = 'queuectl schema shows what the flow takes.';
        END IF;
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
REVOKE ALL ON FUNCTION enqueue_record FROM PUBLIC;

-- Returns the registered flows and their Celery queues. A limited producer sees only its own flows.
CREATE FUNCTION known_flows() RETURNS TABLE (flow_name text, celery_queue text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.flow_name, f.celery_queue FROM public.flows f
    WHERE NOT (SELECT public.is_limited_producer())
        OR EXISTS (SELECT FROM public.producer_flows p WHERE p.login = session_user AND p.flow_name = f.flow_name)
$$;
REVOKE ALL ON FUNCTION known_flows FROM PUBLIC;

-- Returns those of the records with these ids that the caller's login enqueued. Producers use it because they cannot
-- read the table.
CREATE FUNCTION own_records(ids bigint[])
    RETURNS TABLE (id bigint, flow_name text, status text, scheduled_at timestamptz, created_at timestamptz,
        completed_at timestamptz, retry_count integer, error_message text, correlation_id text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT q.id, q.flow_name, q.status, q.scheduled_at, q.created_at, q.completed_at, q.retry_count, q.error_message,
        q.correlation_id
    FROM public.processing_queue q WHERE q.id = ANY($1) AND q.enqueued_by = session_user ORDER BY q.id
$$;
REVOKE ALL ON FUNCTION own_records FROM PUBLIC;

-- Cancels those of the records with these ids that the caller's login enqueued. A pending record becomes cancelled at
-- once, and a processing record is asked to stop. Returns each unfinished record of them with 'cancelled' or 'asked'.
-- The rows are locked in the order of their ids, as in all other statements. SKIP LOCKED: a record that an express
-- slice has locked is asked to stop, so that the caller does not wait for a handler.
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
        FOR NO KEY UPDATE SKIP LOCKED
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
REVOKE ALL ON FUNCTION cancel_own_records FROM PUBLIC;
