SELECT count(*) AS waiting, 0::bigint AS running FROM {jobs} WHERE {status}::text = ANY(%(pending)s)
