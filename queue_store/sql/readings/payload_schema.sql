-- The version and the schema that a flow declares for its payloads. Each is NULL if the flow does not declare it.
-- Returns no row if there is no such flow.
SELECT f.flow_name, (f.declared ->> 'payload_version')::integer AS version, f.declared -> 'payload_schema' AS schema
FROM public.flows f WHERE f.flow_name = %(flow_name)s
