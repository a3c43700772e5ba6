-- Triggers that count changes of records and sum up the counts of minutes, for every writer.

-- Counts inserted records by flow, for INSERTs from every source. Refuses the INSERT in two cases: ingestion is stopped
-- for all flows or for one of the INSERT's flows; or the caller is a limited producer without the right to use every
-- flow of the INSERT. A stop does not refuse the follow-up records that runs enqueue (`processing_queue.follow_up`).
-- This exception holds only for callers with the right to INSERT into flow_execution_logs, as workers have.
CREATE FUNCTION account_for_insert() RETURNS trigger
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
REVOKE ALL ON FUNCTION account_for_insert FROM PUBLIC;
CREATE TRIGGER account_for_insert AFTER INSERT ON processing_queue
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION account_for_insert();

-- Counts deleted records by flow, for DELETEs from every source. Also deletes their attempts, progress and cancel
-- requests.
CREATE FUNCTION account_for_delete() RETURNS trigger
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
REVOKE ALL ON FUNCTION account_for_delete FROM PUBLIC;
CREATE TRIGGER account_for_delete AFTER DELETE ON processing_queue
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION account_for_delete();

CREATE FUNCTION account_for_truncate() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    TRUNCATE public.record_attempts, public.record_progress, public.cancel_requests, public.rollup_deltas,
        public.rollup_totals;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION account_for_truncate FROM PUBLIC;
CREATE TRIGGER account_for_truncate AFTER TRUNCATE ON processing_queue
    FOR EACH STATEMENT EXECUTE FUNCTION account_for_truncate();

-- Counts inserted attempts by flow, hour and kind of error, for INSERTs from every source. Appends one delta for each
-- flow and hour, which counts/fold.sql adds to error_hours. A delta counts the 100 most frequent kinds separately, and
-- all others as `other`.
CREATE FUNCTION account_for_attempts() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.rollup_deltas (at, flow_name, errors)
    SELECT max(kept.at), kept.flow_name, jsonb_object_agg(kept.kind, jsonb_build_array(
        kept.error_count, kept.failed_count, kept.record_count, kept.exception_type, kept.error_message))
    FROM (
        SELECT kinds.flow_name, kinds.hour, CASE WHEN kinds.place <= 100 THEN kinds.error_group ELSE 'other' END AS kind,
            sum(kinds.error_count) AS error_count, sum(kinds.failed_count) AS failed_count,
            sum(kinds.record_count) AS record_count, min(kinds.exception_type) AS exception_type,
            min(kinds.error_message) AS error_message, max(kinds.at) AS at
        FROM (
            SELECT i.flow_name, date_trunc('hour', i.finished_at) AS hour, i.error_group, count(*) AS error_count,
                count(*) FILTER (WHERE i.outcome = 'failed') AS failed_count,
                count(*) FILTER (WHERE i.claim_number = 1 OR NOT EXISTS (
                    SELECT FROM public.record_attempts earlier
                    WHERE earlier.record_id = i.record_id AND earlier.claim_number < i.claim_number
                        AND earlier.error_group = i.error_group)) AS record_count,
                min(i.exception_type) AS exception_type, min(left(i.error_message, 300)) AS error_message,
                max(i.finished_at) AS at,
                row_number() OVER (PARTITION BY i.flow_name, date_trunc('hour', i.finished_at)
                    ORDER BY count(*) DESC, i.error_group) AS place
            FROM inserted i GROUP BY 1, 2, 3) kinds
        GROUP BY 1, 2, 3) kept
    GROUP BY kept.flow_name, kept.hour;
    RETURN NULL;
END $$;
CREATE TRIGGER account_for_attempts AFTER INSERT ON record_attempts
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT
    -- A restore also restores the counts of the attempts that it inserts.
    WHEN (current_setting('processing_queue.restoring', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION account_for_attempts();

-- Keeps rollup_overall equal to the sum of rollup_minutes over all flows, whatever statement changes rollup_minutes.
-- Apart from this function, only `queuectl repair` writes to rollup_overall.
CREATE FUNCTION sum_minutes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM public.rollup_overall;
        RETURN NULL;
    END IF;
    EXECUTE format($sum$
        INSERT INTO public.rollup_overall AS o (minute, enqueued, completed, failed, retried, cancelled,
            processing_histogram, wait_histogram)
        SELECT minute, sum(sign * enqueued), sum(sign * completed), sum(sign * failed), sum(sign * retried),
            sum(sign * cancelled),
            CASE WHEN sum(cardinality(p)) > 0 THEN array_replace(ARRAY[
                    sum(sign * p[1]), sum(sign * p[2]), sum(sign * p[3]), sum(sign * p[4]), sum(sign * p[5]), sum(sign * p[6]),
                    sum(sign * p[7]), sum(sign * p[8]), sum(sign * p[9]), sum(sign * p[10]), sum(sign * p[11]), sum(sign * p[12]),
                    sum(sign * p[13]), sum(sign * p[14]), sum(sign * p[15]), sum(sign * p[16]), sum(sign * p[17]), sum(sign * p[18])
                ]::bigint[], NULL, 0) ELSE '{}' END,
            CASE WHEN sum(cardinality(w)) > 0 THEN array_replace(ARRAY[
                    sum(sign * w[1]), sum(sign * w[2]), sum(sign * w[3]), sum(sign * w[4]), sum(sign * w[5]), sum(sign * w[6]),
                    sum(sign * w[7]), sum(sign * w[8]), sum(sign * w[9]), sum(sign * w[10]), sum(sign * w[11]), sum(sign * w[12]),
                    sum(sign * w[13]), sum(sign * w[14]), sum(sign * w[15]), sum(sign * w[16]), sum(sign * w[17]), sum(sign * w[18])
                ]::bigint[], NULL, 0) ELSE '{}' END
        FROM (
            SELECT *, processing_histogram AS p, wait_histogram AS w FROM (%s) changed) named
        GROUP BY minute ORDER BY minute
        ON CONFLICT (minute) DO UPDATE SET enqueued = o.enqueued + excluded.enqueued,
            completed = o.completed + excluded.completed, failed = o.failed + excluded.failed,
            retried = o.retried + excluded.retried, cancelled = o.cancelled + excluded.cancelled,
            processing_histogram = public.add_histograms(o.processing_histogram, excluded.processing_histogram),
            wait_histogram = public.add_histograms(o.wait_histogram, excluded.wait_histogram)
        $sum$, CASE TG_OP WHEN 'INSERT' THEN 'SELECT 1 AS sign, * FROM inserted'
            WHEN 'DELETE' THEN 'SELECT -1 AS sign, * FROM deleted'
            ELSE 'SELECT 1 AS sign, * FROM inserted UNION ALL SELECT -1, * FROM deleted' END);
    IF TG_OP = 'DELETE' THEN
        DELETE FROM public.rollup_overall o WHERE o.minute IN (SELECT minute FROM deleted)
            AND NOT EXISTS (SELECT FROM public.rollup_minutes m WHERE m.minute = o.minute);
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION sum_minutes FROM PUBLIC;
CREATE TRIGGER sum_inserted_minutes AFTER INSERT ON rollup_minutes REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION sum_minutes();
CREATE TRIGGER sum_updated_minutes AFTER UPDATE ON rollup_minutes
    REFERENCING NEW TABLE AS inserted OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION sum_minutes();
CREATE TRIGGER sum_deleted_minutes AFTER DELETE ON rollup_minutes REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION sum_minutes();
CREATE TRIGGER sum_truncated_minutes AFTER TRUNCATE ON rollup_minutes
    FOR EACH STATEMENT EXECUTE FUNCTION sum_minutes();
