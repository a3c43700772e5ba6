-- Groups the errors of the newest attempts by kind, the most frequent first. This statement is for windows that are
-- shorter than an hour. Errors whose messages differ only in numbers and ids are of one kind. If `flow_name` is NULL,
-- the attempts of all flows count. Reads at most `limit` attempts.
WITH attempt AS MATERIALIZED (
    SELECT flow_name, error_group, exception_type, error_message, outcome, record_id, finished_at
    FROM public.record_attempts
    WHERE finished_at >= now() - make_interval(secs => %(seconds)s)
        AND (%(flow_name)s::text IS NULL OR flow_name = %(flow_name)s)
    ORDER BY finished_at DESC
    LIMIT %(limit)s
)
SELECT error_group, (array_agg(error_message ORDER BY finished_at DESC))[1] AS error_message,
    (array_agg(exception_type ORDER BY finished_at DESC))[1] AS exception_type, count(*) AS error_count,
    count(*) FILTER (WHERE outcome = 'failed') AS failed_count, count(DISTINCT record_id) AS record_count,
    array_agg(DISTINCT flow_name ORDER BY flow_name) AS flow_names, min(finished_at) AS first_at,
    max(finished_at) AS last_at, (SELECT count(*) FROM attempt) >= %(limit)s AS is_capped,
    now() - make_interval(secs => %(seconds)s) AS counted_since
FROM attempt
GROUP BY error_group
ORDER BY error_count DESC, error_group
LIMIT %(groups)s
