-- The living worker processes whose code is too old. Code is too old if the newest schema version that it knows is not
-- in `served`.
SELECT format('%%s (process %%s)', w.hostname, w.pid) FROM public.worker_processes w
WHERE w.state IN ('running', 'stopping') AND w.heartbeat_at > now() - interval '1 minute'
    AND coalesce(w.versions ->> 'schema', '') <> ALL(%(served)s)
ORDER BY 1 LIMIT 5
