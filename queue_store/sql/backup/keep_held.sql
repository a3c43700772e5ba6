-- Keeps the present claims of runs, for fail_lost.
CREATE TEMPORARY TABLE held_claims ON COMMIT DROP AS
SELECT id, claim_number, flow_instance_id FROM public.processing_queue WHERE status = 'processing'
