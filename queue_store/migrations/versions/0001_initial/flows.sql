-- Registered flows, and what operators have stopped.

-- The name of a flow. The rule is the same as in queue_store/flow_names.py, and also accepts names of Celery tasks,
-- such as shop.orders.send_invoice. It is a domain and not a CHECK of the tables, because Postgres evaluates a CHECK
-- for every UPDATE of a row, but a domain only when a name is assigned. NOT VALID, because databases that are older
-- than this migration have the constraint in this state: their names already satisfied it when it was added.
CREATE DOMAIN flow_name AS text;
ALTER DOMAIN flow_name ADD CONSTRAINT flow_name_is_plain CHECK (VALUE ~ '^[A-Za-z_][A-Za-z0-9_.-]{0,254}$') NOT VALID;

-- Holds one row for each registered flow: what its author declared, and what operators set at run time.
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
    ingestion_stop_reason     text,
    -- Whether a failed record blocks its order key, as the flow's author declared. The column is generated, so that
    -- statements that write `declared` need not set it.
    failure_blocks_key        boolean NOT NULL
                              GENERATED ALWAYS AS (coalesce((declared ->> 'failure_blocks_key')::boolean, false)) STORED,
    -- The failures of the flow's claims: since when they occur, the time of the last one, their number, and the last
    -- error. NULL and 0 if the last claim succeeded.
    claims_failing_since      timestamptz,
    claims_failed_at          timestamptz,
    claims_failed             integer NOT NULL DEFAULT 0 CHECK (claims_failed >= 0),
    claims_error              text
);

-- Holds one row: what operators stopped for all flows at once.
CREATE TABLE queue_control (
    only_row                  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    processing_stopped_at     timestamptz,
    processing_stop_reason    text,
    ingestion_stopped_at      timestamptz,
    ingestion_stop_reason     text
);
INSERT INTO queue_control DEFAULT VALUES;

-- The flows for which a login with the role processing_queue_flow_producer may enqueue. Only the owner of the tables
-- can write here.
CREATE TABLE producer_flows (
    login                     name NOT NULL,
    flow_name                 flow_name NOT NULL,
    PRIMARY KEY (login, flow_name)
);
