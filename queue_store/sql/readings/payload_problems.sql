-- What does not fit the stored schema of a flow's payloads, in the order of the payloads; NULL for one that fits.
SELECT public.payload_problem(%(flow_name)s, p.payload)
FROM unnest(%(payloads)s::text[]::jsonb[]) WITH ORDINALITY AS p(payload, position)
ORDER BY p.position
