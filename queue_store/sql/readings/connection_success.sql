SELECT coalesce(sum(attempt_count), 0)::bigint AS attempt_count,
    coalesce(sum(success_count), 0)::bigint AS success_count
FROM public.connection_checks
WHERE at >= now() - make_interval(secs => %(seconds)s)
