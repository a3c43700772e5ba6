SELECT sum(attempt_count)::bigint, sum(success_count)::bigint, avg(response_time_ms)
FROM connection_checks
WHERE at >= now() - make_interval(secs => %(seconds)s)
