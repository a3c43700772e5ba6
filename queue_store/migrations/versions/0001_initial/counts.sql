-- Counting: deltas are appended in the transaction that writes an outcome, and folded into minutes, hours and totals.

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
    wait_histogram            bigint[],
    -- By kind: attempts, failed ones, records, the exception's type and a message.
    errors                    jsonb
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER SEQUENCE rollup_deltas_id_seq OWNED BY rollup_deltas.id;

-- One row, and the lock of the one who folds. All deltas up to `folded_through_id` are folded, and no transaction
-- is left that could add one below it: so neither the fold nor a reading walks over what was folded before.
CREATE TABLE rollup_progress (
    only_row                  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    folded_through_id         bigint NOT NULL DEFAULT 0,
    -- The candidate becomes `folded_through_id` once every transaction below this one has ended.
    candidate_id              bigint NOT NULL DEFAULT 0,
    candidate_transaction     xid8,
    folded_at                 timestamptz,
    recounted_at              timestamptz
);
INSERT INTO rollup_progress DEFAULT VALUES;

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

-- The same counts as in rollup_minutes, by hour: a day, a month or a baseline is read from few rows.
CREATE TABLE rollup_hours (
    hour                      timestamptz NOT NULL,
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
    PRIMARY KEY (hour, flow_name)
) WITH (fillfactor = 70);

-- What happened in all flows together, minute by minute: always the sum of rollup_minutes. Charts of all flows read it,
-- so that they take as long with a thousand flows as with one.
CREATE TABLE rollup_overall (
    minute               timestamptz PRIMARY KEY,
    enqueued             bigint NOT NULL,
    completed            bigint NOT NULL,
    failed               bigint NOT NULL,
    retried              bigint NOT NULL,
    cancelled            bigint NOT NULL,
    processing_histogram bigint[] NOT NULL,
    wait_histogram       bigint[] NOT NULL
) WITH (fillfactor = 70);

-- The number of rows that exist, by flow. The live ones are total less the three finished ones.
CREATE TABLE rollup_totals (
    flow_name                 text PRIMARY KEY,
    total                     bigint NOT NULL,
    completed                 bigint NOT NULL,
    failed                    bigint NOT NULL,
    cancelled                 bigint NOT NULL
) WITH (fillfactor = 50);

-- How deep the queue was: one look a minute. `pending` counts due and future records alike, `waiting` those that are
-- due and that nobody stopped, up to a limit.
CREATE TABLE depth_minutes (
    minute                    timestamptz NOT NULL,
    flow_name                 text NOT NULL,
    pending                   bigint NOT NULL,
    processing                bigint NOT NULL,
    is_approximate            boolean NOT NULL,
    oldest_due_seconds        double precision,
    waiting                   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (minute, flow_name)
);

-- Attempts that did not succeed, by hour, flow and kind of error. The kinds of a flow in an hour are bounded: the rest is
-- counted as `other`, so that sums stay right. `record_count`: records that met this error for the first time.
CREATE TABLE error_hours (
    hour                      timestamptz NOT NULL,
    flow_name                 text NOT NULL,
    error_group               text NOT NULL,
    exception_type            text NOT NULL,
    error_message             text NOT NULL,
    error_count               bigint NOT NULL,
    failed_count              bigint NOT NULL,
    record_count              bigint NOT NULL,
    first_at                  timestamptz NOT NULL,
    last_at                   timestamptz NOT NULL,
    PRIMARY KEY (hour, flow_name, error_group)
) WITH (fillfactor = 70);

-- Histograms are added bucket by bucket; a missing one counts as empty.
CREATE FUNCTION add_histograms(bigint[], bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
DECLARE
    result bigint[] := $1;
BEGIN
    IF coalesce(cardinality($1), 0) = 0 THEN
        RETURN coalesce($2, '{}');
    ELSIF coalesce(cardinality($2), 0) = 0 THEN
        RETURN $1;
    END IF;
    FOR i IN 1..cardinality($2) LOOP
        result[i] := coalesce(result[i], 0) + $2[i];
    END LOOP;
    RETURN result;
END $$;
CREATE AGGREGATE sum_histograms(bigint[]) (sfunc = add_histograms, stype = bigint[], initcond = '{}');
