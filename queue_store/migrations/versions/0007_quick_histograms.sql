ALTER TABLE worker_processes ADD COLUMN processor_count smallint CHECK (processor_count > 0);

-- The same result as before. A loop over eighteen numbers takes a fraction of the time of a query.
CREATE OR REPLACE FUNCTION add_histograms(bigint[], bigint[]) RETURNS bigint[]
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
