-- The claim number would stay the same, and two runs would pass the fence one after the other.
CREATE OR REPLACE TRIGGER only_known_transitions AFTER UPDATE ON processing_queue
    FOR EACH ROW WHEN (
        NEW.claim_number <> OLD.claim_number + (OLD.status = 'pending' AND NEW.status = 'processing')::integer
        OR OLD.status = 'processing' AND NEW.status = 'processing' AND NEW.flow_instance_id <> OLD.flow_instance_id
        OR NEW.status <> OLD.status AND NOT (
            OLD.status = 'pending' AND NEW.status IN ('processing', 'cancelled')
            OR OLD.status = 'processing'
            OR OLD.status = 'failed' AND NEW.status = 'pending'))
    EXECUTE FUNCTION refuse_transition();
