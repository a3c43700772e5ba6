CREATE FUNCTION known_flows() RETURNS TABLE (flow_name text, celery_queue text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT f.flow_name, f.celery_queue FROM flows f
$$;
REVOKE ALL ON FUNCTION known_flows FROM PUBLIC;
