-- Counts. A transaction that changes records appends deltas, which are later folded into minutes, hours and totals.

-- The default of rollup_deltas.id assigns the transaction's number first, and the id after it. The mark of folded
-- deltas relies on this order (counts/propose_rollup_mark.sql, counts/lock_rollups.sql).
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
    -- For each kind of error: [attempts, attempts after which the record failed for good, records that had this error
    -- for the first time, exception type, message].
    errors                    jsonb
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER SEQUENCE rollup_deltas_id_seq OWNED BY rollup_deltas.id;

-- Holds one row: the progress of folding. The process that folds the deltas holds a lock on this row. All deltas up to
-- `folded_through_id` are folded, and no open transaction can still add a delta up to this id. So folds and readings
-- start after it, and do not scan the index entries of folded deltas.
CREATE TABLE rollup_progress (
    only_row                  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    folded_through_id         bigint NOT NULL DEFAULT 0,
    -- `candidate_id` becomes `folded_through_id` when every transaction with a number below `candidate_transaction` has
    -- ended and all deltas up to `candidate_id` are folded.
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

-- The counts of rollup_minutes, summed by hour, so that readings of days, months and baselines need only a few rows.
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

-- The counts of all flows together, by minute. Triggers keep them equal to the sum of rollup_minutes. Charts of all
-- flows read this table, so they take as long with a thousand flows as with one.
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

-- The number of existing records, by flow. Unfinished records: `total - completed - failed - cancelled`.
CREATE TABLE rollup_totals (
    flow_name                 text PRIMARY KEY,
    total                     bigint NOT NULL,
    completed                 bigint NOT NULL,
    failed                    bigint NOT NULL,
    cancelled                 bigint NOT NULL
) WITH (fillfactor = 50);

-- The depth of the queue, sampled once a minute. `pending` counts due and future records. `waiting` counts, up to a
-- limit, the due records of flows that are registered and not stopped.
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

-- The number of unsuccessful attempts, by hour, flow and kind of error. The number of kinds is limited for each flow
-- and hour. Attempts of all further kinds are counted as `other`, so that sums stay correct. `record_count` counts the
-- records that had this error for the first time.
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

-- Adds two histograms bucket by bucket. NULL and an empty array count as a histogram without entries.
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
