-- The orphans, by flow and cause. A record is an orphan if its run has no row, is over, or has been silent for longer
-- than the lease. A record is also an orphan if its claim is older than both the orphan timeout and the flow's own
-- limit. `late_count`: how many of these orphans should have been given back by now. No run counts as silent until one
-- lease has passed since the Postgres server last started, recovered or was promoted. A living busy run that is too
-- young to have an overdue claim has no orphans, so its records are not read.
WITH server AS MATERIALIZED (
    SELECT greatest(pg_postmaster_start_time(),
        (SELECT max(backend_start) FROM pg_stat_activity WHERE backend_type IN ('checkpointer', 'walwriter')))
        < now() - make_interval(secs => %(lease_seconds)s) AS has_settled
), processing AS MATERIALIZED (
    SELECT id, flow_name, flow_instance_id, claimed_at
    FROM public.processing_but_of_runs(ARRAY(
        SELECT flow_instance_id FROM public.busy_runs()
        WHERE heartbeat_at > now() - make_interval(secs => %(lease_seconds)s)
            AND started_at > now() - make_interval(secs => %(orphan_timeout_seconds)s)), %(limit)s)
), judged AS (
    SELECT q.id, q.flow_name, q.claimed_at, r.flow_instance_id IS NOT NULL AS has_run,
        CASE WHEN r.flow_instance_id IS NULL THEN 'run missing'
            WHEN r.state = 'dead' THEN 'run dead'
            WHEN r.state = 'ended' THEN 'run ended'
            WHEN server.has_settled AND r.heartbeat_at < now() - make_interval(secs => %(lease_seconds)s) THEN 'run silent'
            WHEN q.claimed_at < now() - make_interval(
                secs => greatest(%(orphan_timeout_seconds)s, coalesce(f.orphan_timeout_seconds, 0)))
            THEN 'claimed too long ago' END AS cause,
        CASE WHEN r.flow_instance_id IS NULL THEN q.claimed_at
            WHEN r.state IN ('dead', 'ended') THEN r.finished_at
            ELSE least(r.heartbeat_at, q.claimed_at + make_interval(secs => %(orphan_timeout_seconds)s)) END AS orphaned_at
    FROM processing q CROSS JOIN server
    LEFT JOIN public.flow_execution_logs r ON r.flow_instance_id = q.flow_instance_id
    LEFT JOIN public.flows f ON f.flow_name = q.flow_name
)
SELECT flow_name, cause, count(*) AS record_count,
    count(*) FILTER (WHERE orphaned_at < now() - make_interval(secs => %(late_seconds)s)) AS late_count,
    min(claimed_at) AS oldest_claimed_at, (array_agg(id ORDER BY claimed_at, id))[1:10] AS record_ids
FROM judged
WHERE cause IS NOT NULL
GROUP BY flow_name, cause
ORDER BY flow_name, cause
