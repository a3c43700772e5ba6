-- Returns why a value does not fit a JSON Schema, with the place of the problem. Returns NULL if the value fits as far
-- as the keywords that this function knows say. Other keywords are ignored here, but a worker checks all of them.
-- `root` is the schema to which each $ref refers.
--
-- The function calls itself only in loops, once for each part. In a query, Postgres may evaluate such a call twice, and
-- a recursive type then costs 2 ^ depth. For the same reason, constant fields are checked first: they tell the
-- alternatives of a tagged union apart.
CREATE OR REPLACE FUNCTION schema_problem(value jsonb, schema jsonb, root jsonb, place text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind text := jsonb_typeof(value);
    kinds text[];
    properties jsonb := coalesce(schema -> 'properties', '{}');
    alternatives jsonb := coalesce(schema -> 'anyOf', schema -> 'oneOf');
    problem text;
    problems text[] := '{}';
    name text;
    item_number integer := 0;
    inner_value jsonb;
    inner_schema jsonb;
BEGIN
    IF jsonb_typeof(schema) <> 'object' THEN
        RETURN CASE WHEN schema = 'false' THEN place || ': is not allowed' END;
    END IF;
    IF schema ? '$ref' THEN
        problem := public.schema_problem(
            value, root #> string_to_array(substr(schema ->> '$ref', 3), '/'), root, place);
        IF problem IS NOT NULL THEN
            RETURN problem;
        END IF;
    END IF;
    IF schema ? 'type' THEN
        kinds := CASE jsonb_typeof(schema -> 'type') WHEN 'array'
            THEN ARRAY(SELECT jsonb_array_elements_text(schema -> 'type')) ELSE ARRAY[schema ->> 'type'] END;
        IF kind <> ALL(kinds)
            AND NOT (kind = 'number' AND 'integer' = ANY(kinds) AND value::numeric = trunc(value::numeric)) THEN
            RETURN format('%s: must be %s, not %s', place, array_to_string(kinds, ' or '), kind);
        END IF;
    END IF;
    IF schema ? 'const' AND value <> schema -> 'const'
        OR schema ? 'enum' AND NOT schema -> 'enum' @> jsonb_build_array(value) THEN
        RETURN format('%s: must be %s', place, coalesce(schema -> 'const', schema -> 'enum'));
    END IF;
    IF jsonb_typeof(alternatives) = 'array' THEN
        FOR inner_schema IN SELECT jsonb_array_elements(alternatives) LOOP
            problem := public.schema_problem(value, inner_schema, root, place);
            EXIT WHEN problem IS NULL;
            problems := problems || problem;
        END LOOP;
        IF problem IS NOT NULL THEN
            RETURN array_to_string(problems, '; ');
        END IF;
    END IF;
    IF kind = 'array' AND schema ?| ARRAY['prefixItems', 'items'] THEN
        FOR inner_value IN SELECT jsonb_array_elements(value) LOOP
            inner_schema := coalesce(schema -> 'prefixItems' -> item_number, schema -> 'items', 'true');
            problem := public.schema_problem(inner_value, inner_schema, root, format('%s[%s]', place, item_number));
            IF problem IS NOT NULL THEN
                RETURN problem;
            END IF;
            item_number := item_number + 1;
        END LOOP;
    END IF;
    IF kind <> 'object' THEN
        RETURN NULL;
    END IF;
    SELECT r.required INTO name FROM jsonb_array_elements_text(coalesce(schema -> 'required', '[]')) AS r(required)
    WHERE NOT value ? r.required LIMIT 1;
    IF FOUND THEN
        RETURN format('%s.%s: a required field is missing', place, name);
    END IF;
    FOR name, inner_schema IN
        SELECT k.key, coalesce(properties -> k.key, schema -> 'additionalProperties', 'true')
        FROM jsonb_object_keys(value) AS k(key)
        ORDER BY coalesce(properties -> k.key ?| ARRAY['const', 'enum'], false) DESC, k.key
    LOOP
        problem := public.schema_problem(value -> name, inner_schema, root, format('%s.%s', place, name));
        IF problem IS NOT NULL THEN
            RETURN problem;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- Returns why a payload does not fit the schema that the flow's newest code declares, or NULL. Only a payload of the
-- version that this code declares is checked. A payload of another version cannot be checked here: a worker upgrades
-- it, or it waits for a worker that knows the version. The version itself is no field of the type: a worker removes it
-- before it decodes the payload, and so does this function.
CREATE OR REPLACE FUNCTION payload_problem(wanted_flow_name text, payload jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT public.schema_problem(CASE jsonb_typeof($2) WHEN 'object' THEN $2 - '$version' ELSE $2 END,
        s.payload_schema || jsonb_build_object('required', coalesce(s.payload_schema -> 'required', '[]') - '$version'),
        s.payload_schema, 'payload')
    FROM public.flows f, LATERAL (SELECT f.declared -> 'payload_schema') AS s(payload_schema)
    WHERE f.flow_name = $1 AND f.declared -> 'payload_version' = CASE jsonb_typeof($2)
        WHEN 'object' THEN coalesce($2 -> '$version', '1') ELSE '1' END
$$;
