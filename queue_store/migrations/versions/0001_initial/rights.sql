-- Rules for each of our SECURITY DEFINER functions, checked by tests/security/test_definer_functions.py:
-- 1. Its search_path is pg_catalog, pg_temp, and it names the schema of everything else. Otherwise, if other logins can
--    create objects in the schema, the function could call an operator or a function of theirs with the owner's rights.
-- 2. PUBLIC has no right to execute it. A trigger needs no such right to fire.
-- 3. A trigger function refuses every table except its own. Otherwise a login that may execute the function could use
--    it in a trigger of a table of its own.

-- Returns the caller's role. In a SECURITY DEFINER function, current_user is the owner of the function, but the setting
-- `role` still names the role that the caller has set.
CREATE FUNCTION caller_role() RETURNS name LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(nullif(current_setting('role'), 'none'), session_user)::name
$$;

-- Returns whether the caller may enqueue only for the flows that producer_flows names. The right to INSERT into the
-- table is checked first: workers, operators and owners have this right and are not limited.
CREATE FUNCTION is_limited_producer() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT has_table_privilege(public.caller_role(), 'public.processing_queue', 'INSERT')
        AND EXISTS (SELECT FROM pg_roles
            WHERE rolname = 'processing_queue_flow_producer' AND pg_has_role(public.caller_role(), oid, 'USAGE'))
        AND NOT EXISTS (SELECT FROM pg_roles
            WHERE rolname = 'processing_queue_producer' AND pg_has_role(public.caller_role(), oid, 'USAGE'))
$$;
REVOKE ALL ON FUNCTION is_limited_producer FROM PUBLIC;

-- Raises an error that names the first of these flows that is forbidden to the caller.
CREATE FUNCTION refuse_flows_of_others(names text[]) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    refused text;
BEGIN
    IF NOT public.is_limited_producer() THEN
        RETURN;
    END IF;
    SELECT wanted INTO refused FROM unnest(names) AS wanted
    WHERE NOT EXISTS (SELECT FROM public.producer_flows p WHERE p.login = session_user AND p.flow_name = wanted)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the login % may not enqueue records of the flow %', session_user, quote_nullable(left(refused, 64))
            USING ERRCODE = 'insufficient_privilege', HINT = 'The owner of the tables adds it to producer_flows.';
    END IF;
END $$;
REVOKE ALL ON FUNCTION refuse_flows_of_others FROM PUBLIC;

CREATE FUNCTION refuse_other_tables(relation oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF relation NOT IN ('public.processing_queue'::regclass, 'public.audit_log'::regclass,
        'public.rollup_minutes'::regclass)
    THEN
        RAISE EXCEPTION 'this function belongs to the tables of the queue, not to %', relation::regclass
            USING ERRCODE = 'insufficient_privilege', HINT = 'Write a trigger function of your own.';
    END IF;
END $$;
