-- Returns, for each payload in the given order, why it does not fit the flow's stored schema, or NULL if it fits.
SELECT public.payload_problem(%(flow_name)s, p.payload)
FROM unnest(%(payloads)s::text[]::jsonb[]) WITH ORDINALITY AS p(payload, position)
ORDER BY p.position
