-- The queue and what stands beside it. Every rule of the state machine that a database can state is
-- stated here, so that no client, in any language, can store a state that the system does not know.

-- A domain and not a CHECK of the tables: it is looked at when a name is given, not whenever a row changes.
CREATE DOMAIN flow_name AS text CONSTRAINT flow_name_is_plain CHECK (VALUE ~ '^[a-z][a-z0-9_]{0,62}$');

-- The flows that exist, with what their authors declared and what operators set at run time.
CREATE TABLE flows (
    flow_name                 flow_name PRIMARY KEY,
    celery_queue              text NOT NULL CHECK (celery_queue <> ''),
    batch_size                integer NOT NULL CHECK (batch_size BETWEEN 1 AND 10000),
    max_runs                  integer CHECK (max_runs > 0),
    max_retries               integer NOT NULL CHECK (max_retries >= 0),
    orphan_timeout_seconds    double precision NOT NULL CHECK (orphan_timeout_seconds > 0),
    declared                  jsonb NOT NULL DEFAULT '{}',
    registered_at             timestamptz NOT NULL DEFAULT now(),
    batch_size_override       integer CHECK (batch_size_override BETWEEN 1 AND 10000),
    max_runs_override         integer CHECK (max_runs_override > 0),
    paused_at                 timestamptz,
    pause_reason              text,
    ingestion_stopped_at      timestamptz,
    ingestion_stop_reason     text
);

-- One row: what operators stopped for all flows at once.
CREATE TABLE queue_control (
    only_row                  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    processing_stopped_at     timestamptz,
    processing_stop_reason    text,
    ingestion_stopped_at      timestamptz,
    ingestion_stop_reason     text
);
INSERT INTO queue_control DEFAULT VALUES;

-- One row for each pool child of a worker, from its start to its end. It beats whether it has work or not.
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
    CHECK ((ended_at IS NOT NULL) = (state IN ('ended', 'dead')))
);
CREATE INDEX worker_processes_alive ON worker_processes (heartbeat_at) WHERE state IN ('running', 'stopping');

-- One row for each run that claimed anything: the owner of its claims.
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
    -- When no record is processing under this run any more: set by its owner at the end, or by rescue.
    settled_at                timestamptz,
    -- How it died: while running (its records are suspects) and, where that is known, with which record in hand.
    died_running              boolean NOT NULL DEFAULT false,
    suspect_record_id         bigint,
    orphan_count              integer, -- how many records it left, as the first look of rescue counted
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
    CHECK ((finished_at IS NOT NULL) = (state IN ('ended', 'dead'))),
    CHECK (settled_at IS NULL OR state IN ('ended', 'dead'))
);
CREATE INDEX flow_execution_logs_alive ON flow_execution_logs (flow_name) WHERE state IN ('running', 'stopping');
CREATE INDEX flow_execution_logs_finished ON flow_execution_logs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX flow_execution_logs_unsettled ON flow_execution_logs (finished_at)
    WHERE state IN ('ended', 'dead') AND settled_at IS NULL;

CREATE TABLE processing_queue (
    id                        bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    scheduled_at              timestamptz NOT NULL DEFAULT now(),
    created_at                timestamptz NOT NULL DEFAULT now(),
    updated_at                timestamptz NOT NULL DEFAULT now(),
    claimed_at                timestamptz,
    started_at                timestamptz,
    completed_at              timestamptz,
    flow_instance_id          uuid,
    claim_number              integer NOT NULL DEFAULT 0 CHECK (claim_number >= 0),
    retry_count               integer NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
    priority                  smallint NOT NULL DEFAULT 5 CHECK (priority BETWEEN 0 AND 9),
    crash_strikes             smallint NOT NULL DEFAULT 0 CHECK (crash_strikes >= 0),
    -- Set while the record is suspected of killing its process: the most records it may be claimed together with.
    batch_limit               smallint CHECK (batch_limit > 0),
    flow_name                 flow_name NOT NULL,
    status                    text NOT NULL DEFAULT 'pending'
                              CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    payload                   jsonb NOT NULL DEFAULT '{}'
                              CHECK (pg_column_size(payload) <= 1048576),
    dedup_key                 text CHECK (length(dedup_key) BETWEEN 1 AND 255),
    order_key                 text CHECK (length(order_key) BETWEEN 1 AND 255),
    correlation_id            text CHECK (length(correlation_id) BETWEEN 1 AND 255),
    trace_context             text CHECK (length(trace_context) <= 1024),
    error_message             text CHECK (length(error_message) <= 4000),
    result                    jsonb CHECK (pg_column_size(result) <= 1048576),
    -- The login, whichever role it had taken on.
    enqueued_by               text NOT NULL DEFAULT session_user,
    CONSTRAINT processing_queue_state CHECK (
        CASE status
            WHEN 'pending' THEN claimed_at IS NULL AND flow_instance_id IS NULL AND completed_at IS NULL
            WHEN 'processing' THEN claimed_at IS NOT NULL AND flow_instance_id IS NOT NULL
                AND claim_number > 0 AND completed_at IS NULL
            WHEN 'completed' THEN claimed_at IS NOT NULL AND flow_instance_id IS NOT NULL
                AND claim_number > 0 AND completed_at >= claimed_at
            WHEN 'failed' THEN error_message IS NOT NULL AND completed_at IS NULL
            ELSE completed_at IS NULL
        END),
    CONSTRAINT processing_queue_instants CHECK (
        scheduled_at >= '2000-01-01' AND scheduled_at < '9999-01-01'
        AND created_at >= '2000-01-01' AND created_at < '9999-01-01'
        AND updated_at >= '2000-01-01' AND updated_at < '9999-01-01')
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX processing_queue_pending ON processing_queue (flow_name, priority, scheduled_at, id)
    WHERE status = 'pending';
CREATE INDEX processing_queue_processing ON processing_queue (flow_instance_id, id)
    WHERE status = 'processing';
CREATE INDEX processing_queue_failed ON processing_queue (flow_name, updated_at, id)
    WHERE status = 'failed';
CREATE UNIQUE INDEX processing_queue_dedup ON processing_queue (flow_name, dedup_key)
    WHERE dedup_key IS NOT NULL AND status IN ('pending', 'processing');
CREATE INDEX processing_queue_order ON processing_queue (flow_name, order_key, id)
    WHERE order_key IS NOT NULL AND status IN ('pending', 'processing', 'failed');
CREATE INDEX processing_queue_suspects ON processing_queue (flow_name, batch_limit, id)
    WHERE batch_limit IS NOT NULL AND status = 'pending';

-- Every attempt that failed or crashed.
CREATE TABLE record_attempts (
    record_id                 bigint NOT NULL,
    claim_number              integer NOT NULL,
    attempt_number            integer NOT NULL,
    flow_name                 text NOT NULL,
    flow_instance_id          uuid NOT NULL,
    outcome                   text NOT NULL CHECK (outcome IN ('retried', 'failed', 'cancelled', 'crashed')),
    exception_type            text NOT NULL,
    error_message             text NOT NULL,
    error_group               text NOT NULL,
    traceback                 text,
    started_at                timestamptz,
    finished_at               timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (record_id, claim_number)
);
CREATE INDEX record_attempts_finished ON record_attempts (finished_at);
CREATE INDEX record_attempts_group ON record_attempts (flow_name, error_group, finished_at);

-- What is said to or by a running record. Not on the record itself: a one-COMMIT slice holds its row locks.
CREATE TABLE cancel_requests (
    record_id                 bigint PRIMARY KEY,
    requested_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    requested_by              text NOT NULL,
    reason                    text
);
CREATE TABLE record_progress (
    record_id                 bigint PRIMARY KEY,
    claim_number              integer NOT NULL,
    progress                  jsonb NOT NULL CHECK (pg_column_size(progress) <= 16384),
    updated_at                timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Counting: deltas are appended in the transaction that writes an outcome, and folded into minutes and totals.
-- A delta's transaction has its number before the delta has: the mark of the folds relies on it (lock_rollups.sql).
CREATE SEQUENCE rollup_deltas_id_seq;
CREATE TABLE rollup_deltas (
    id                        bigint PRIMARY KEY DEFAULT nextval(
        CASE WHEN pg_current_xact_id() IS NOT NULL THEN 'rollup_deltas_id_seq'::regclass END),
    at                        timestamptz NOT NULL DEFAULT clock_timestamp(),
    flow_name                 text NOT NULL,
    enqueued                  integer NOT NULL DEFAULT 0,
    claimed                   integer NOT NULL DEFAULT 0,
    completed                 integer NOT NULL DEFAULT 0,
    failed                    integer NOT NULL DEFAULT 0,
    retried                   integer NOT NULL DEFAULT 0,
    snoozed                   integer NOT NULL DEFAULT 0,
    released                  integer NOT NULL DEFAULT 0,
    rescued                   integer NOT NULL DEFAULT 0,
    crashed                   integer NOT NULL DEFAULT 0,
    cancelled                 integer NOT NULL DEFAULT 0,
    reset                     integer NOT NULL DEFAULT 0,
    refused                   integer NOT NULL DEFAULT 0,
    purged                    integer NOT NULL DEFAULT 0,
    completed_adjusted        integer NOT NULL DEFAULT 0,
    failed_adjusted           integer NOT NULL DEFAULT 0,
    cancelled_adjusted        integer NOT NULL DEFAULT 0,
    processing_seconds        double precision NOT NULL DEFAULT 0,
    processing_histogram      bigint[],
    wait_seconds              double precision NOT NULL DEFAULT 0,
    wait_histogram            bigint[]
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER SEQUENCE rollup_deltas_id_seq OWNED BY rollup_deltas.id;

CREATE TABLE rollup_minutes (
    minute                    timestamptz NOT NULL,
    flow_name                 text NOT NULL,
    enqueued                  bigint NOT NULL,
    claimed                   bigint NOT NULL,
    completed                 bigint NOT NULL,
    failed                    bigint NOT NULL,
    retried                   bigint NOT NULL,
    snoozed                   bigint NOT NULL,
    released                  bigint NOT NULL,
    rescued                   bigint NOT NULL,
    crashed                   bigint NOT NULL,
    cancelled                 bigint NOT NULL,
    reset                     bigint NOT NULL,
    refused                   bigint NOT NULL,
    purged                    bigint NOT NULL,
    processing_seconds        double precision NOT NULL,
    processing_histogram      bigint[] NOT NULL,
    wait_seconds              double precision NOT NULL,
    wait_histogram            bigint[] NOT NULL,
    PRIMARY KEY (minute, flow_name)
) WITH (fillfactor = 70);

-- The number of rows that exist, by flow. The live ones are total less the three finished ones.
CREATE TABLE rollup_totals (
    flow_name                 text PRIMARY KEY,
    total                     bigint NOT NULL,
    completed                 bigint NOT NULL,
    failed                    bigint NOT NULL,
    cancelled                 bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE audit_log (
    id                        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at                        timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor                     text NOT NULL,
    action                    text NOT NULL,
    target                    text NOT NULL,
    affected_count            bigint NOT NULL,
    details                   jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_at ON audit_log (at);

-- The one way for others than its owner to take something from it: what is older than a day, the oldest first.
CREATE FUNCTION purge_audit(older_than interval, most bigint) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH deleted AS (
        DELETE FROM audit_log WHERE id IN (
            SELECT id FROM audit_log WHERE at < now() - greatest($1, interval '1 day') ORDER BY at LIMIT $2)
        RETURNING id)
    SELECT count(*) FROM deleted
$$;
REVOKE ALL ON FUNCTION purge_audit FROM PUBLIC;

-- The sample flow's results.
CREATE TABLE processed_surveys (
    id                        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_id                 bigint NOT NULL,
    respondent_id             integer NOT NULL,
    distance_to_clinton       smallint NOT NULL,
    distance_to_dole          smallint NOT NULL,
    nearest_candidate         text NOT NULL CHECK (nearest_candidate IN ('clinton', 'dole', 'both')),
    income_midpoint_dollars   integer NOT NULL,
    vote_is_consistent        boolean NOT NULL,
    processed_at              timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX processed_surveys_respondent ON processed_surveys (respondent_id);

-- Runs and worker processes: dead is final.
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

-- Only the arrows of the state machine; an AFTER trigger, because a BEFORE trigger locks every row once more.
CREATE FUNCTION refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'record %: % to % (claim_number % to %) is not a transition of processing_queue',
        OLD.id, OLD.status, NEW.status, OLD.claim_number, NEW.claim_number
        USING ERRCODE = 'check_violation',
              HINT = 'Use queuectl reset, cancel or enqueue a new record instead.';
END $$;
CREATE TRIGGER only_known_transitions AFTER UPDATE ON processing_queue
    FOR EACH ROW WHEN (
        NEW.claim_number <> OLD.claim_number + (OLD.status = 'pending' AND NEW.status = 'processing')::integer
        OR NEW.status <> OLD.status AND NOT (
            OLD.status = 'pending' AND NEW.status IN ('processing', 'cancelled')
            OR OLD.status = 'processing'
            OR OLD.status = 'failed' AND NEW.status = 'pending'))
    EXECUTE FUNCTION refuse_transition();

-- Counts every INSERT, whoever sent it, and refuses it while ingestion is stopped. A run's follow-up records pass.
CREATE FUNCTION account_for_insert() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    stopped record;
BEGIN
    IF current_setting('processing_queue.follow_up', true) IS DISTINCT FROM 'on' THEN
        SELECT 'all flows' AS what, c.ingestion_stop_reason AS reason INTO stopped
        FROM queue_control c WHERE c.ingestion_stopped_at IS NOT NULL AND EXISTS (SELECT FROM inserted)
        UNION ALL
        SELECT 'flow ' || f.flow_name, f.ingestion_stop_reason
        FROM flows f WHERE f.ingestion_stopped_at IS NOT NULL
            AND EXISTS (SELECT FROM inserted i WHERE i.flow_name = f.flow_name)
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'ingestion is stopped for %: %', stopped.what, coalesce(stopped.reason, 'no reason given')
                USING ERRCODE = 'PQ001', HINT = 'Try again after an operator ran queuectl resume --ingestion.';
        END IF;
    END IF;
    INSERT INTO rollup_deltas (flow_name, enqueued, completed_adjusted, failed_adjusted, cancelled_adjusted)
    SELECT flow_name, count(*), count(*) FILTER (WHERE status = 'completed'),
        count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'cancelled')
    FROM inserted GROUP BY flow_name;
    RETURN NULL;
END $$;
CREATE TRIGGER account_for_insert AFTER INSERT ON processing_queue
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION account_for_insert();

-- Counts every DELETE, whoever sent it, and takes along what belongs to the records.
CREATE FUNCTION account_for_delete() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM record_attempts a USING deleted d WHERE a.record_id = d.id;
    DELETE FROM record_progress p USING deleted d WHERE p.record_id = d.id;
    DELETE FROM cancel_requests c USING deleted d WHERE c.record_id = d.id;
    INSERT INTO rollup_deltas (flow_name, purged, completed_adjusted, failed_adjusted, cancelled_adjusted)
    SELECT flow_name, count(*), -count(*) FILTER (WHERE status = 'completed'),
        -count(*) FILTER (WHERE status = 'failed'), -count(*) FILTER (WHERE status = 'cancelled')
    FROM deleted GROUP BY flow_name;
    RETURN NULL;
END $$;
CREATE TRIGGER account_for_delete AFTER DELETE ON processing_queue
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION account_for_delete();

CREATE FUNCTION account_for_truncate() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    TRUNCATE record_attempts, record_progress, cancel_requests, rollup_deltas, rollup_totals;
    RETURN NULL;
END $$;
CREATE TRIGGER account_for_truncate AFTER TRUNCATE ON processing_queue
    FOR EACH STATEMENT EXECUTE FUNCTION account_for_truncate();
