-- Stores what a flow's author declares, and keeps what operators set at run time.
INSERT INTO public.flows (flow_name, celery_queue, batch_size, max_runs, max_retries, orphan_timeout_seconds, declared)
VALUES (%(flow_name)s, %(celery_queue)s, %(batch_size)s, %(max_runs)s, %(max_retries)s, %(orphan_timeout_seconds)s,
    %(declared)s::jsonb)
ON CONFLICT (flow_name) DO UPDATE
SET celery_queue = excluded.celery_queue, batch_size = excluded.batch_size, max_runs = excluded.max_runs,
    max_retries = excluded.max_retries, orphan_timeout_seconds = excluded.orphan_timeout_seconds,
    declared = excluded.declared, registered_at = clock_timestamp()
WHERE (flows.celery_queue, flows.batch_size, flows.max_runs, flows.max_retries, flows.orphan_timeout_seconds, flows.declared)
    IS DISTINCT FROM (excluded.celery_queue, excluded.batch_size, excluded.max_runs, excluded.max_retries,
        excluded.orphan_timeout_seconds, excluded.declared)
