-- For each named flow that lately had no record which a worker could claim: for how many seconds it has had one since.
-- The answer comes from the times at which a pause of the flow or a stop of processing ended, and from the minutes in
-- whose depth no record of the flow waits or is being processed. (One run can hold all records of a slow flow.) Looks
-- back for `seconds` seconds. Ignores times in the future: the clock of the database has stepped back since then. A flow
-- without such a time is left out.
WITH ended AS (
    SELECT d.flow_name, d.minute AS at FROM public.depth_minutes d
    WHERE d.minute >= now() - make_interval(secs => %(seconds)s) AND d.minute <= now()
        AND d.waiting = 0 AND d.processing = 0 AND d.flow_name = ANY(%(flow_names)s::text[])
    UNION ALL
    SELECT named.flow_name, a.at
    FROM public.audit_log a
    JOIN unnest(%(flow_names)s::text[]) AS named(flow_name)
        ON a.action = 'resume' AND a.target = named.flow_name OR a.action = 'resume_processing'
    WHERE a.at >= now() - make_interval(secs => %(seconds)s) AND a.at <= now() + interval '1 minute'
        AND a.affected_count > 0
)
SELECT flow_name, extract(epoch FROM now() - least(max(at), now()))::float8 AS seconds FROM ended GROUP BY flow_name
