-- Refuses a record whose payload or result is larger than the limit of the table's CHECK constraints, with the error of
-- these constraints. The constraints see a value as it was given. A value from a column of another table may still be
-- compressed there. A restore gives the same value uncompressed, so the constraints would refuse it only then.
CREATE OR REPLACE FUNCTION refuse_large_record() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    violated text := CASE WHEN pg_column_size(NEW.payload #> '{}') > 1048576
        THEN 'processing_queue_payload_check' ELSE 'processing_queue_result_check' END;
BEGIN
    RAISE EXCEPTION 'new row for relation "%" violates check constraint "%"', TG_TABLE_NAME, violated
        USING ERRCODE = 'check_violation', CONSTRAINT = violated, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA,
              HINT = 'The limit of 1 MB applies to the value before compression.';
END $$;

-- Fires for new records and for new payloads only. Other updates, such as claims, never decompress the payload, and
-- records from before this rule stay claimable. `#> '{}'` returns the whole value, uncompressed. Most values are so
-- small that nothing needs to be uncompressed: pglz and lz4 shrink a value to 1/255 at best, so a value of 4,096 bytes
-- or less never stands for more than 1 MB.
CREATE OR REPLACE TRIGGER processing_queue_large_record AFTER INSERT OR UPDATE OF payload ON processing_queue
    FOR EACH ROW WHEN (
        pg_column_size(NEW.payload) > 4096 AND pg_column_size(NEW.payload #> '{}') > 1048576
        OR pg_column_size(NEW.result) > 4096 AND pg_column_size(NEW.result #> '{}') > 1048576)
    EXECUTE FUNCTION refuse_large_record();
