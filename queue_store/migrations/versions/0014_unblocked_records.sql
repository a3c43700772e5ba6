-- Whether a failed record blocks its order key, as the flow's author declared. Generated, so that workers of before
-- set it too.
ALTER TABLE flows ADD COLUMN failure_blocks_key boolean NOT NULL
    GENERATED ALWAYS AS (coalesce((declared ->> 'failure_blocks_key')::boolean, false)) STORED;

-- Whether later records of the same order key wait for a record of this status. The planner inlines it, and then finds
-- the predicate of processing_queue_order in it. `<>` fits no index: written as `OR status = 'failed' AND …`, a kept plan
-- can read all that failed in the flow, for each key.
CREATE FUNCTION blocks_key(status text, failure_blocks_key boolean) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN status IN ('pending', 'processing', 'failed') AND (status <> 'failed' OR failure_blocks_key);

-- The order keys of which a record is processing. The predicate is the one of processing_queue_running_key.
CREATE VIEW running_keys WITH (security_invoker = true) AS
SELECT running.flow_name, running.order_key FROM processing_queue running
WHERE running.order_key IS NOT NULL AND unindexed(running.status) = 'processing';

-- The records that no other record of their order key keeps from being claimed: none before them blocks the key, and
-- none of the key is processing. An earlier one can come to light while a later one runs. Claims lock the rows of this
-- view. OFFSET 0: see queue_store/sql/README.md.
CREATE VIEW unblocked_records WITH (security_invoker = true) AS
SELECT q.id, q.flow_name, q.status, q.priority, q.scheduled_at, q.batch_limit FROM processing_queue q
WHERE q.order_key IS NULL OR (
    NOT EXISTS (
        SELECT FROM processing_queue earlier
        WHERE earlier.flow_name = q.flow_name AND earlier.order_key = q.order_key AND earlier.id < q.id
            AND blocks_key(earlier.status, (SELECT f.failure_blocks_key FROM flows f WHERE f.flow_name = q.flow_name)))
    AND NOT EXISTS (
        SELECT FROM running_keys running
        WHERE running.flow_name = q.flow_name AND running.order_key = q.order_key OFFSET 0));
