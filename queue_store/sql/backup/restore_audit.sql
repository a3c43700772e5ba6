-- Adds the kept audit rows that the backup does not have. Compares rows instead of times: a row's time is earlier than
-- its COMMIT, and clocks can be wrong. Equal rows are numbered, so that none is lost. The column `login` is not
-- compared: rows that an operator once restored into an empty log have the operator's login there.
WITH kept AS (
    SELECT *, row_number() OVER (PARTITION BY at, actor, action, target, affected_count, details ORDER BY id) AS copy
    FROM pg_temp.kept_audit
), restored AS (
    SELECT at, actor, action, target, affected_count, details,
        row_number() OVER (PARTITION BY at, actor, action, target, affected_count, details) AS copy
    FROM public.audit_log
)
INSERT INTO public.audit_log (at, login, actor, action, target, affected_count, details)
SELECT at, k.login, actor, action, target, affected_count, details
FROM kept k LEFT JOIN restored r USING (at, actor, action, target, affected_count, details, copy)
WHERE r.at IS NULL
ORDER BY at, k.id
