-- A beat that stopped in order stays known, so that nobody says that none has ever run.
ALTER TABLE beats ADD COLUMN stopped_at timestamptz;

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

-- By kind: attempts, failed ones, records, the exception's type and a message.
ALTER TABLE rollup_deltas ADD COLUMN errors jsonb;

INSERT INTO error_hours (hour, flow_name, error_group, exception_type, error_message, error_count, failed_count,
    record_count, first_at, last_at)
SELECT hour, flow_name, CASE WHEN place <= 100 THEN error_group ELSE 'other' END, min(exception_type), min(error_message),
    sum(error_count), sum(failed_count), sum(record_count), min(first_at), max(last_at)
FROM (
    SELECT date_trunc('hour', finished_at) AS hour, flow_name, error_group, min(exception_type) AS exception_type,
        min(left(error_message, 300)) AS error_message, count(*) AS error_count,
        count(*) FILTER (WHERE outcome = 'failed') AS failed_count, count(DISTINCT record_id) AS record_count,
        min(finished_at) AS first_at, max(finished_at) AS last_at,
        row_number() OVER (PARTITION BY date_trunc('hour', finished_at), flow_name ORDER BY count(*) DESC, error_group)
            AS place
    FROM record_attempts WHERE finished_at >= now() - interval '8 days'
    GROUP BY 1, 2, 3) kinds
GROUP BY 1, 2, 3;

-- Counts every attempt that is added, whoever does it, as a delta of its hour: see fold.sql.
CREATE FUNCTION account_for_attempts() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.rollup_deltas (at, flow_name, errors)
    SELECT max(kept.at), kept.flow_name, jsonb_object_agg(kept.kind, jsonb_build_array(
        kept.error_count, kept.failed_count, kept.record_count, kept.exception_type, kept.error_message))
    FROM (
        SELECT kinds.flow_name, kinds.hour, CASE WHEN kinds.place <= 100 THEN kinds.error_group ELSE 'other' END AS kind,
            sum(kinds.error_count) AS error_count, sum(kinds.failed_count) AS failed_count,
            sum(kinds.record_count) AS record_count, min(kinds.exception_type) AS exception_type,
            min(kinds.error_message) AS error_message, max(kinds.at) AS at
        FROM (
            SELECT i.flow_name, date_trunc('hour', i.finished_at) AS hour, i.error_group, count(*) AS error_count,
                count(*) FILTER (WHERE i.outcome = 'failed') AS failed_count,
                count(*) FILTER (WHERE i.claim_number = 1 OR NOT EXISTS (
                    SELECT FROM public.record_attempts earlier
                    WHERE earlier.record_id = i.record_id AND earlier.claim_number < i.claim_number
                        AND earlier.error_group = i.error_group)) AS record_count,
                min(i.exception_type) AS exception_type, min(left(i.error_message, 300)) AS error_message,
                max(i.finished_at) AS at,
                row_number() OVER (PARTITION BY i.flow_name, date_trunc('hour', i.finished_at)
                    ORDER BY count(*) DESC, i.error_group) AS place
            FROM inserted i GROUP BY 1, 2, 3) kinds
        GROUP BY 1, 2, 3) kept
    GROUP BY kept.flow_name, kept.hour;
    RETURN NULL;
END $$;
CREATE TRIGGER account_for_attempts AFTER INSERT ON record_attempts
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT
    WHEN (current_setting('processing_queue.restoring', true) IS DISTINCT FROM 'on')  -- counted before the backup
    EXECUTE FUNCTION account_for_attempts();
