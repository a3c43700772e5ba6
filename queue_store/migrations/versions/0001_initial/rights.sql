-- Rules for every SECURITY DEFINER function of ours, held by tests/database/test_definer_functions.py:
-- 1. Its search_path is pg_catalog, pg_temp, and it names everything else with its schema. Where somebody may create
--    objects in public, an operator or a function of his could otherwise run as the owner.
-- 2. PUBLIC may not execute it. A trigger needs no right to fire.
-- 3. A trigger function refuses every table but its own: who owns a table can give it any trigger that he may execute.

-- The role that the caller works as. Inside a definer function current_user is the owner, but the setting is not changed.
CREATE FUNCTION caller_role() RETURNS name LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(nullif(current_setting('role'), 'none'), session_user)::name
$$;

-- Whether the caller may enqueue the flows of producer_flows only. The table's own rights are asked first: they are
-- what workers, operators and owners have.
CREATE FUNCTION is_limited_producer() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT has_table_privilege(public.caller_role(), 'public.processing_queue', 'INSERT')
        AND EXISTS (SELECT FROM pg_roles
            WHERE rolname = 'processing_queue_flow_producer' AND pg_has_role(public.caller_role(), oid, 'USAGE'))
        AND NOT EXISTS (SELECT FROM pg_roles
            WHERE rolname = 'processing_queue_producer' AND pg_has_role(public.caller_role(), oid, 'USAGE'))
$$;
REVOKE ALL ON FUNCTION is_limited_producer FROM PUBLIC;

-- Raises for the first of these flows that the caller may not enqueue.
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
