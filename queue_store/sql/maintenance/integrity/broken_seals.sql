-- Rows of the audit log that somebody deleted, changed, or inserted without the trigger: see audit.sql of the first
-- migration. Only the newest `limit` rows are read.
WITH looked_at AS MATERIALIZED (
    SELECT a, a.number, a.seal, lag(a.number) OVER in_order AS number_before, lag(a.seal) OVER in_order AS seal_before
    FROM (SELECT * FROM public.audit_log ORDER BY number DESC NULLS FIRST LIMIT %(limit)s) newest
    JOIN public.audit_log a ON a.id = newest.id
    WINDOW in_order AS (ORDER BY a.number)
), chained AS (
    SELECT l.a, l.number, l.seal, s.purged_number,
        coalesce(l.number_before, CASE WHEN l.number > s.purged_number THEN s.purged_number END) AS number_before,
        CASE WHEN l.number_before IS NULL AND l.number = s.purged_number + 1 THEN s.purged_seal
            ELSE l.seal_before END AS seal_before,
        l.number_before IS NULL AND (SELECT count(*) FROM looked_at) >= %(limit)s AS is_cut
    FROM looked_at l CROSS JOIN public.audit_seal s
)
SELECT format('audit rows %%s to %%s are lost', number_before + 1, number - 1) AS problem, NULL::bigint AS record_id
FROM chained WHERE NOT is_cut AND number > number_before + 1
UNION ALL
SELECT format('audit row %%s was changed', number), NULL FROM chained
WHERE NOT is_cut AND number = number_before + 1 AND seal IS DISTINCT FROM public.seal_of(seal_before, a)
UNION ALL
SELECT format('audit row with the id %%s is not sealed', (a).id), NULL FROM chained WHERE number IS NULL
UNION ALL
SELECT format('audit rows %%s to %%s are lost', coalesce(newest.number, s.purged_number) + 1, s.number), NULL
FROM public.audit_seal s CROSS JOIN (SELECT max(number) AS number FROM public.audit_log) newest
WHERE s.number > coalesce(newest.number, s.purged_number)
LIMIT 100
