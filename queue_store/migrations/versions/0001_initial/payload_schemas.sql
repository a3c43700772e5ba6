-- Functions that compare payloads with the JSON Schema that the flow declares. enqueue_record calls them.

-- Returns why a value does not fit a JSON Schema, with the place of the problem. Returns NULL if the value fits as far
-- as the keywords that this function knows say. Other keywords are ignored here, but a worker checks all of them.
-- `root` is the schema to which each $ref refers.
CREATE FUNCTION schema_problem(value jsonb, schema jsonb, root jsonb, place text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind text := jsonb_typeof(value);
    kinds text[];
    properties jsonb := coalesce(schema -> 'properties', '{}');
    alternatives jsonb := coalesce(schema -> 'anyOf', schema -> 'oneOf');
    problem text;
    name text;
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
        SELECT CASE WHEN bool_and(p.problem IS NOT NULL) THEN string_agg(p.problem, '; ') END INTO problem
        FROM (SELECT public.schema_problem(value, a.alternative, root, place) AS problem
            FROM jsonb_array_elements(alternatives) AS a(alternative)) p;
        IF problem IS NOT NULL THEN
            RETURN problem;
        END IF;
    END IF;
    IF kind = 'array' AND schema ? 'items' THEN
        RETURN (SELECT public.schema_problem(e.item, schema -> 'items', root, format('%s[%s]', place, e.position - 1))
            FROM jsonb_array_elements(value) WITH ORDINALITY AS e(item, position)
            WHERE public.schema_problem(e.item, schema -> 'items', root, '') IS NOT NULL LIMIT 1);
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
        FROM jsonb_object_keys(value) AS k(key) ORDER BY k.key
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
-- it, or it waits for a worker that knows the version.
CREATE FUNCTION payload_problem(wanted_flow_name text, payload jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT public.schema_problem($2, f.declared -> 'payload_schema', f.declared -> 'payload_schema', 'payload')
    FROM public.flows f
    WHERE f.flow_name = $1 AND f.declared -> 'payload_version' = CASE jsonb_typeof($2)
        WHEN 'object' THEN coalesce($2 -> '$version', '1') ELSE '1' END
$$;
