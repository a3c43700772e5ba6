-- The record that a process works on, as its last heartbeat said: of several, the one that it began first. A process
-- that no longer beats keeps what it said last.
ALTER TABLE worker_processes
    ADD COLUMN in_hand_record_id       bigint,
    ADD COLUMN in_hand_claim_number    integer,
    ADD COLUMN in_hand_since           timestamptz,
    ADD COLUMN in_hand_flow_name       text,
    ADD COLUMN in_hand_run_id          uuid,
    ADD CHECK ((in_hand_record_id IS NULL) = (in_hand_claim_number IS NULL)
        AND (in_hand_record_id IS NULL) = (in_hand_since IS NULL)
        AND (in_hand_record_id IS NULL) = (in_hand_flow_name IS NULL)
        AND (in_hand_record_id IS NULL) = (in_hand_run_id IS NULL)),
    -- An operator asks the process to end the handler of this record under this claim, and of no other one.
    ADD COLUMN end_record_id           bigint,
    ADD COLUMN end_claim_number        integer,
    ADD COLUMN end_requested_at        timestamptz,
    ADD COLUMN end_requested_by        text,
    ADD COLUMN end_reason              text,
    ADD CHECK ((end_record_id IS NULL) = (end_claim_number IS NULL)
        AND (end_record_id IS NULL) = (end_requested_at IS NULL)
        AND (end_record_id IS NULL) = (end_requested_by IS NULL));
