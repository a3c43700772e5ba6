SELECT count(*) FILTER (WHERE status = 'queued') AS waiting, count(*) FILTER (WHERE status = 'picked') AS running
FROM {jobs} WHERE status IN ('queued', 'picked')
