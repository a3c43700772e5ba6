-- Compares a column without offering it to any index: `unindexed(q.status) = 'pending'` is looked up by the rest of the
-- condition. The planner inlines it, so it costs nothing, and it is the expression of processing_queue_running_key. The
-- body is bound to its operator here, whatever the search_path of a session is. See queue_store/sql/README.md.
CREATE FUNCTION unindexed(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN value || '';

-- A flow may have the name of a Celery task, such as shop.orders.send_invoice. Every name of before is one of these
-- names: NOT VALID saves reading the whole queue to find that out. The rule is the one of queue_store/flow_names.py.
ALTER DOMAIN flow_name DROP CONSTRAINT flow_name_is_plain;
ALTER DOMAIN flow_name ADD CONSTRAINT flow_name_is_plain CHECK (VALUE ~ '^[A-Za-z_][A-Za-z0-9_.-]{0,254}$') NOT VALID;
