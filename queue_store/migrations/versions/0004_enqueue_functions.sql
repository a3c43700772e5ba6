-- enqueue: → pending, and what came of it: 'inserted', 'duplicate', 'replaced', 'running' (its payload cannot be
-- replaced any more) or 'unknown flow'. Raises nothing for these, so that the caller's transaction stays usable.
-- The loop: a twin that kept the INSERT back may have ended before it is looked up.
CREATE FUNCTION enqueue_or_explain(
    wanted_flow_name text, new_payload jsonb, new_priority smallint, due_at timestamptz, delay_seconds double precision,
    wanted_dedup_key text, on_duplicate text, new_order_key text, new_correlation_id text, new_trace_context text,
    is_follow_up boolean,
    OUT record_id bigint, OUT what text, OUT flow_celery_queue text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    twin_status text;
BEGIN
    SELECT f.celery_queue INTO flow_celery_queue FROM flows f WHERE f.flow_name = wanted_flow_name;
    IF NOT FOUND THEN
        what := 'unknown flow';
        RETURN;
    END IF;
    IF is_follow_up THEN
        PERFORM set_config('processing_queue.follow_up', 'on', true);
    END IF;
    LOOP
        INSERT INTO processing_queue (flow_name, payload, priority, scheduled_at, dedup_key, order_key,
            correlation_id, trace_context)
        VALUES (wanted_flow_name, new_payload, new_priority,
            coalesce(due_at, now() + make_interval(secs => delay_seconds)),
            wanted_dedup_key, new_order_key, new_correlation_id, new_trace_context)
        ON CONFLICT (flow_name, dedup_key)
            WHERE dedup_key IS NOT NULL AND status IN ('pending', 'processing') DO NOTHING
        RETURNING id INTO record_id;
        IF FOUND THEN
            what := 'inserted';
            RETURN;
        END IF;
        IF on_duplicate = 'replace' THEN
            UPDATE processing_queue q SET payload = new_payload, updated_at = clock_timestamp()
            WHERE q.flow_name = wanted_flow_name AND q.dedup_key = wanted_dedup_key AND q.status = 'pending'
            RETURNING q.id INTO record_id;
            IF FOUND THEN
                what := 'replaced';
                RETURN;
            END IF;
        END IF;
        SELECT q.id, q.status INTO record_id, twin_status FROM processing_queue q
        WHERE q.flow_name = wanted_flow_name AND q.dedup_key = wanted_dedup_key
            AND q.status IN ('pending', 'processing');
        IF FOUND AND (on_duplicate <> 'replace' OR twin_status = 'processing') THEN
            what := CASE on_duplicate WHEN 'replace' THEN 'running' ELSE 'duplicate' END;
            RETURN;
        END IF;
    END LOOP;
END $$;

-- The same for applications in any language: returns the record's id, and raises what they should know.
CREATE FUNCTION enqueue_record(
    flow_name text, payload jsonb DEFAULT '{}', priority integer DEFAULT 5, scheduled_at timestamptz DEFAULT NULL,
    dedup_key text DEFAULT NULL, on_duplicate text DEFAULT 'raise', order_key text DEFAULT NULL,
    correlation_id text DEFAULT NULL, trace_context text DEFAULT NULL)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    done record;
BEGIN
    IF on_duplicate IS NULL OR on_duplicate NOT IN ('raise', 'skip', 'replace') THEN
        RAISE EXCEPTION 'on_duplicate must be raise, skip or replace' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF priority IS NULL OR priority NOT BETWEEN 0 AND 9 THEN
        RAISE EXCEPTION 'priority must be between 0 and 9' USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO done FROM enqueue_or_explain(flow_name, payload, priority::smallint, scheduled_at, 0, dedup_key,
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

REVOKE ALL ON FUNCTION enqueue_or_explain FROM PUBLIC;
REVOKE ALL ON FUNCTION enqueue_record FROM PUBLIC;

-- What a login has enqueued itself, of these ids: for producers, who may not read the table.
CREATE FUNCTION own_records(ids bigint[])
    RETURNS TABLE (id bigint, flow_name text, status text, scheduled_at timestamptz, created_at timestamptz,
        completed_at timestamptz, retry_count integer, error_message text, correlation_id text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT q.id, q.flow_name, q.status, q.scheduled_at, q.created_at, q.completed_at, q.retry_count, q.error_message,
        q.correlation_id
    FROM processing_queue q WHERE q.id = ANY($1) AND q.enqueued_by = session_user ORDER BY q.id
$$;
REVOKE ALL ON FUNCTION own_records FROM PUBLIC;
