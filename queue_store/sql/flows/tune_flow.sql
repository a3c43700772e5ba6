-- Stores what operators set at run time. `sets_batch_size` and `sets_max_runs` say which override is changed. If an
-- override is NULL, the value that the flow declares applies.
WITH tuned AS (
    UPDATE public.flows
    SET batch_size_override = CASE WHEN %(sets_batch_size)s THEN %(batch_size)s ELSE batch_size_override END,
        max_runs_override = CASE WHEN %(sets_max_runs)s THEN %(max_runs)s ELSE max_runs_override END
    WHERE flow_name = %(flow_name)s
    RETURNING flow_name, batch_size, batch_size_override, max_runs, max_runs_override
), noted AS (
    INSERT INTO public.audit_log (actor, action, target, affected_count, details)
    SELECT %(actor)s, 'tune', flow_name, 1,
        jsonb_build_object('batch_size', batch_size_override, 'max_runs', max_runs_override)
    FROM tuned
)
SELECT batch_size AS declared_batch_size, batch_size_override, max_runs AS declared_max_runs, max_runs_override
FROM tuned
