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

-- Histograms are added bucket by bucket; a missing one counts as empty.
CREATE FUNCTION add_histograms(bigint[], bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
BEGIN
    IF coalesce(cardinality($1), 0) = 0 THEN
        RETURN coalesce($2, '{}');
    ELSIF coalesce(cardinality($2), 0) = 0 THEN
        RETURN $1;
    END IF;
    RETURN ARRAY(
        SELECT coalesce(bucket.a, 0) + coalesce(bucket.b, 0)
        FROM unnest($1, $2) WITH ORDINALITY AS bucket(a, b, number) ORDER BY bucket.number);
END $$;
CREATE AGGREGATE sum_histograms(bigint[]) (sfunc = add_histograms, stype = bigint[], initcond = '{}');
