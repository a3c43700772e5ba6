-- What a flow declares of its payloads; NULLs where it declares nothing. Returns no row if there is no such flow.
SELECT f.flow_name, (f.declared ->> 'payload_version')::integer AS version, f.declared -> 'payload_schema' AS schema
FROM public.flows f WHERE f.flow_name = %(flow_name)s
