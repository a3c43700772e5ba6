-- Failed records whose last attempt is missing from the history or differs from the record. Only the newest failed
-- records of each flow are checked. Retention deletes the oldest attempts first, and no attempt that is younger than a
-- day. A record is checked only if retention cannot have deleted its last attempt. That is certain in two cases: the
-- record failed in the last 23 hours, or it failed more than an hour after the oldest attempt in the history finished.
WITH kept AS MATERIALIZED (
    SELECT least((SELECT min(finished_at) FROM public.record_attempts), now() - interval '1 day') + interval '1 hour' AS since
)
SELECT CASE WHEN a.record_id IS NULL THEN format('the attempt of claim %%s, which failed, is lost', q.claim_number)
        ELSE format('the attempt of claim %%s has another error than the record', q.claim_number) END AS problem,
    q.id AS record_id
FROM public.flows f CROSS JOIN kept CROSS JOIN LATERAL (
    SELECT id, claim_number, error_message FROM public.processing_queue
    WHERE status = 'failed' AND flow_name = f.flow_name AND updated_at > kept.since
    ORDER BY updated_at DESC, id DESC LIMIT greatest(%(limit)s::bigint / 10, 1)) q
LEFT JOIN public.record_attempts a ON a.record_id = q.id AND a.claim_number = q.claim_number
WHERE q.claim_number > 0 AND (a.record_id IS NULL OR a.error_message <> q.error_message)
LIMIT 100
