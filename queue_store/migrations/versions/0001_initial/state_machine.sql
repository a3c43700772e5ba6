-- Rules for new records and for changes of records, and views that say which records can be claimed.

-- Raises the error for an update that is not an arrow of the state machine (only_known_transitions). The trigger fires
-- AFTER the update, because a BEFORE trigger locks each row once more.
CREATE FUNCTION refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'record %: % to % (claim_number % to %) is not a transition of processing_queue',
        OLD.id, OLD.status, NEW.status, OLD.claim_number, NEW.claim_number
        USING ERRCODE = 'check_violation',
              HINT = 'Use queuectl reset, cancel or enqueue a new record instead.';
END $$;
-- Refuses every update that is not an arrow of the state machine. Each claim adds 1 to the claim number, and so does
-- the UPDATE with which an express slice claims and completes a record. No other update changes the number. A
-- processing record cannot go directly from one run to another, but only by way of pending. Otherwise the claim number
-- would stay the same, and both runs would pass the fence.
CREATE TRIGGER only_known_transitions AFTER UPDATE ON processing_queue
    FOR EACH ROW WHEN (
        NEW.claim_number <> OLD.claim_number
            + (OLD.status = 'pending' AND NEW.status IN ('processing', 'completed'))::integer
        OR OLD.status = 'processing' AND NEW.status = 'processing' AND NEW.flow_instance_id <> OLD.flow_instance_id
        OR NEW.status <> OLD.status AND NOT (
            OLD.status = 'pending' AND NEW.status IN ('processing', 'completed', 'cancelled')
            OR OLD.status = 'processing'
            OR OLD.status = 'failed' AND NEW.status = 'pending'))
    EXECUTE FUNCTION refuse_transition();

-- Refuses a new record with values that only the state machine can set. During a restore, records come back as they
-- were. Then only ids and counters outside of their ranges are refused. The trigger fires AFTER the INSERT, because
-- with a BEFORE trigger COPY would insert the rows one by one.
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

-- Returns whether later records of the same order key must wait for a record of this status. The planner inlines the
-- function, and then recognises the predicate of the index processing_queue_order. The condition uses `<>`, which fits
-- no other index. With `OR status = 'failed' AND …` instead, a cached plan could read all failed records of the flow
-- for each key.
CREATE FUNCTION blocks_key(status text, failure_blocks_key boolean) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN status IN ('pending', 'processing', 'failed') AND (status <> 'failed' OR failure_blocks_key);

-- The order keys that have a processing record. The condition is the predicate of the index
-- processing_queue_running_key.
CREATE VIEW running_keys WITH (security_invoker = true) AS
SELECT running.flow_name, running.order_key FROM processing_queue running
WHERE running.order_key IS NOT NULL AND unindexed(running.status) = 'processing';

-- The records that can be claimed as far as their order key is concerned: no earlier record blocks the key, and no
-- record of the key is processing. (The second condition is needed because an earlier record can become visible while a
-- later one is processing.) Claims lock rows through this view. For OFFSET 0, see queue_store/sql/README.md. A record
-- with the highest possible claim number is left out, because the claim of its whole batch would fail. New records
-- cannot have such a number.
CREATE VIEW unblocked_records WITH (security_invoker = true) AS
SELECT q.id, q.flow_name, q.status, q.priority, q.scheduled_at, q.batch_limit FROM processing_queue q
WHERE q.claim_number < 2147483647 AND (q.order_key IS NULL OR (
    NOT EXISTS (
        SELECT FROM processing_queue earlier
        WHERE earlier.flow_name = q.flow_name AND earlier.order_key = q.order_key AND earlier.id < q.id
            AND blocks_key(earlier.status, (SELECT f.failure_blocks_key FROM flows f WHERE f.flow_name = q.flow_name)))
    AND NOT EXISTS (
        SELECT FROM running_keys running
        WHERE running.flow_name = q.flow_name AND running.order_key = q.order_key OFFSET 0)));
