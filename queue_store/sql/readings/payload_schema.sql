-- What a flow declares about its payloads; NULL for each part that it does not declare. Returns no row if there is
-- no such flow.
SELECT f.flow_name, (f.declared ->> 'payload_version')::integer AS version, f.declared -> 'payload_schema' AS schema
FROM public.flows f WHERE f.flow_name = %(flow_name)s
