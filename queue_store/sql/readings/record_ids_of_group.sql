-- The records of the newest attempts that ended with the given kind of error. The index orders the attempts by flow
-- first, so the newest attempts of all flows are not together in the index. `reach` reads only the index, and returns
-- the time at which the oldest wanted attempt finished. So attempts that finished earlier are not read from the table.
WITH known AS MATERIALIZED (
    SELECT flow_name FROM public.flows WHERE %(flow_name)s::text IS NULL OR flow_name = %(flow_name)s
), reach AS MATERIALIZED (
    SELECT min(finished_at) AS since FROM (
        SELECT a.finished_at
        FROM known CROSS JOIN LATERAL (
            SELECT finished_at FROM public.record_attempts
            WHERE flow_name = known.flow_name AND error_group = %(error_group)s
            ORDER BY finished_at DESC
            LIMIT %(limit)s) a
        ORDER BY a.finished_at DESC
        LIMIT %(limit)s) newest
)
SELECT a.record_id
FROM known CROSS JOIN LATERAL (
    SELECT record_id, finished_at FROM public.record_attempts
    WHERE flow_name = known.flow_name AND error_group = %(error_group)s
        AND finished_at >= (SELECT since FROM reach)
    ORDER BY finished_at DESC
    LIMIT %(limit)s) a
ORDER BY a.finished_at DESC
LIMIT %(limit)s
