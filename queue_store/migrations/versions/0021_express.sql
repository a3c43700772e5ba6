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
