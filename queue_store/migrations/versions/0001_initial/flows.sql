-- The flows that exist, and what operators stopped.

-- A domain and not a CHECK of the tables: it is looked at when a name is given, not whenever a row changes. A flow may
-- have the name of a Celery task, such as shop.orders.send_invoice. The rule is the one of queue_store/flow_names.py.
-- NOT VALID: databases that are older than this migration have it so, because every name in them was one of these.
CREATE DOMAIN flow_name AS text;
ALTER DOMAIN flow_name ADD CONSTRAINT flow_name_is_plain CHECK (VALUE ~ '^[A-Za-z_][A-Za-z0-9_.-]{0,254}$') NOT VALID;

-- What their authors declared, and what operators set at run time.
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
    -- Whether a failed record blocks its order key, as the flow's author declared. Generated: whoever writes `declared`
    -- need not know of it.
    failure_blocks_key        boolean NOT NULL
                              GENERATED ALWAYS AS (coalesce((declared ->> 'failure_blocks_key')::boolean, false)) STORED,
    -- A flow whose claims fail: since when, how often, when last, and why. NULL when the last one did not.
    claims_failing_since      timestamptz,
    claims_failed_at          timestamptz,
    claims_failed             integer NOT NULL DEFAULT 0 CHECK (claims_failed >= 0),
    claims_error              text
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

-- Which flows a login may enqueue that has the role processing_queue_flow_producer. Only the owner writes here.
CREATE TABLE producer_flows (
    login                     name NOT NULL,
    flow_name                 flow_name NOT NULL,
    PRIMARY KEY (login, flow_name)
);
