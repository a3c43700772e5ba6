-- A new arrow: pending → completed, with a claim inside of it. So the claim number rises by 1.
CREATE OR REPLACE TRIGGER only_known_transitions AFTER UPDATE ON processing_queue
    FOR EACH ROW WHEN (
        NEW.claim_number <> OLD.claim_number
            + (OLD.status = 'pending' AND NEW.status IN ('processing', 'completed'))::integer
        OR OLD.status = 'processing' AND NEW.status = 'processing' AND NEW.flow_instance_id <> OLD.flow_instance_id
        OR NEW.status <> OLD.status AND NOT (
            OLD.status = 'pending' AND NEW.status IN ('processing', 'completed', 'cancelled')
            OR OLD.status = 'processing'
            OR OLD.status = 'failed' AND NEW.status = 'pending'))
    EXECUTE FUNCTION refuse_transition();

-- A flow of which a run died lately does not run express.
CREATE INDEX flow_execution_logs_dead ON flow_execution_logs (flow_name, finished_at) WHERE state = 'dead';

-- As before, but for SKIP LOCKED: what an express slice has locked is asked to stop, and nobody waits for a handler.
CREATE OR REPLACE FUNCTION cancel_own_records(ids bigint[], reason text DEFAULT NULL) RETURNS TABLE (id bigint, what text)
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
