-- Worker processes, their runs, and the slices of runs.

-- Holds one row for each pool child of a worker. The child sends heartbeats from its start to its end, even without
-- work.
CREATE TABLE worker_processes (
    worker_process_id         uuid PRIMARY KEY,
    worker_id                 uuid NOT NULL,
    hostname                  text NOT NULL,
    pid                       integer NOT NULL,
    state                     text NOT NULL DEFAULT 'running'
                              CHECK (state IN ('running', 'stopping', 'ended', 'dead')),
    started_at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at                  timestamptz,
    flow_names                text[] NOT NULL DEFAULT '{}',
    celery_queues             text[] NOT NULL DEFAULT '{}',
    versions                  jsonb NOT NULL DEFAULT '{}',
    pool_capacity             integer NOT NULL DEFAULT 0,
    pool_in_use               integer NOT NULL DEFAULT 0,
    cpu_percent               real,
    memory_bytes              bigint,
    -- How much memory the process may use: its container's limit, or the machine's memory.
    memory_limit_bytes        bigint,
    processor_count           smallint CHECK (processor_count > 0),
    -- The record that the process was working on at its last heartbeat. If there were several, it is the one that the
    -- process began first. A process that no longer sends heartbeats keeps these values.
    in_hand_record_id         bigint,
    in_hand_claim_number      integer,
    in_hand_since             timestamptz,
    in_hand_flow_name         text,
    in_hand_run_id            uuid,
    -- An operator's request to end the handler of this record under this claim. The request concerns no other handler.
    end_record_id             bigint,
    end_claim_number          integer,
    end_requested_at          timestamptz,
    end_requested_by          text,
    end_reason                text,
    -- How far the host's clock is ahead of the database's clock (below 0: behind). Measured with some of the
    -- heartbeats. NULL: not measured yet.
    clock_skew_seconds        real,
    CHECK ((ended_at IS NOT NULL) = (state IN ('ended', 'dead'))),
    CHECK ((in_hand_record_id IS NULL) = (in_hand_claim_number IS NULL)
        AND (in_hand_record_id IS NULL) = (in_hand_since IS NULL)
        AND (in_hand_record_id IS NULL) = (in_hand_flow_name IS NULL)
        AND (in_hand_record_id IS NULL) = (in_hand_run_id IS NULL)),
    CHECK ((end_record_id IS NULL) = (end_claim_number IS NULL)
        AND (end_record_id IS NULL) = (end_requested_at IS NULL)
        AND (end_record_id IS NULL) = (end_requested_by IS NULL))
);
CREATE INDEX worker_processes_alive ON worker_processes (heartbeat_at) WHERE state IN ('running', 'stopping');

-- Holds one row for each run that has claimed records. The run owns its claims.
CREATE TABLE flow_execution_logs (
    flow_instance_id          uuid PRIMARY KEY,
    flow_name                 text NOT NULL,
    worker_process_id         uuid NOT NULL,
    celery_task_id            text,
    state                     text NOT NULL DEFAULT 'running'
                              CHECK (state IN ('running', 'stopping', 'ended', 'dead')),
    started_at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at               timestamptz,
    -- When it was found that the run is over and that no record is processing under it any more. Set by the run at its
    -- end, or by rescue.
    settled_at                timestamptz,
    -- `died_running`: the run was declared dead while it was running, and not while it was stopping.
    -- `suspect_record_id`: the record that was in flight at that time, if known; 0 if none was in flight and the only
    -- record left became a suspect. arrows/rescue.sql decides by these columns which records get a crash strike and
    -- which become suspects.
    died_running              boolean NOT NULL DEFAULT false,
    suspect_record_id         bigint,
    orphan_count              integer, -- how many records the run left, counted when rescue first looked
    backend_pid               integer,
    backend_started_at        timestamptz,
    batch_count               integer NOT NULL DEFAULT 0,
    records_claimed           bigint NOT NULL DEFAULT 0,
    records_completed         bigint NOT NULL DEFAULT 0,
    records_retried           bigint NOT NULL DEFAULT 0,
    records_failed            bigint NOT NULL DEFAULT 0,
    records_snoozed           bigint NOT NULL DEFAULT 0,
    records_released          bigint NOT NULL DEFAULT 0,
    records_cancelled         bigint NOT NULL DEFAULT 0,
    records_refused           bigint NOT NULL DEFAULT 0,
    error_message             text,
    -- Whether the claims that the run leaves count as unfinished claims. True if the run ended itself because of an
    -- error that was not caused by a restart of Postgres.
    leaves_unfinished         boolean NOT NULL DEFAULT false,
    -- The number of pending records that the run's express slice held locked at the last heartbeat.
    records_held              integer NOT NULL DEFAULT 0,
    CHECK ((finished_at IS NOT NULL) = (state IN ('ended', 'dead'))),
    CHECK (settled_at IS NULL OR state IN ('ended', 'dead'))
);
CREATE INDEX flow_execution_logs_alive ON flow_execution_logs (flow_name) WHERE state IN ('running', 'stopping');
CREATE INDEX flow_execution_logs_finished ON flow_execution_logs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX flow_execution_logs_unsettled ON flow_execution_logs (finished_at)
    WHERE state IN ('ended', 'dead') AND settled_at IS NULL;
CREATE INDEX flow_execution_logs_process ON flow_execution_logs (worker_process_id, started_at);
-- For runs/has_died_lately.sql: a flow is not express while one of its runs was declared dead a short time ago.
CREATE INDEX flow_execution_logs_dead ON flow_execution_logs (flow_name, finished_at) WHERE state = 'dead';

-- Refuses to change the state of a run or worker process that is ended or dead: both states are final.
CREATE FUNCTION refuse_revival() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is %, which is final', TG_TABLE_NAME, OLD.state
        USING ERRCODE = 'check_violation', HINT = 'Start a new one instead.';
END $$;
CREATE TRIGGER dead_is_final AFTER UPDATE ON flow_execution_logs
    FOR EACH ROW WHEN (OLD.state IN ('dead', 'ended') AND NEW.state <> OLD.state)
    EXECUTE FUNCTION refuse_revival();
CREATE TRIGGER dead_is_final AFTER UPDATE ON worker_processes
    FOR EACH ROW WHEN (OLD.state IN ('dead', 'ended') AND NEW.state <> OLD.state)
    EXECUTE FUNCTION refuse_revival();

-- Holds one row for each open one-COMMIT slice. The transaction of the slice inserts the row first and deletes it last,
-- so no other session ever sees it. While the slice is open, the deferred trigger makes COMMIT and PREPARE TRANSACTION
-- fail. So a handler cannot commit the work of earlier records of the slice without their outcomes. SET CONSTRAINTS ALL
-- IMMEDIATE also fires the trigger, but does not fail.
CREATE UNLOGGED TABLE open_slices (opened_at timestamptz NOT NULL DEFAULT now());

CREATE FUNCTION refuse_to_commit_an_open_slice() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF current_setting('processing_queue.open_slice', true) <> '' AND current_query() ~* '\m(commit|end|prepare)\M' THEN
        RAISE EXCEPTION 'a handler must not commit the transaction that it was given'
            USING ERRCODE = 'PQ002', HINT = 'Let the handler return: its rows and its outcome are committed together.';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER refuse_to_commit_an_open_slice AFTER INSERT ON open_slices DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION refuse_to_commit_an_open_slice();
