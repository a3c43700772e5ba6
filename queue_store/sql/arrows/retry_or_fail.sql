-- retry: processing → pending, while attempts are left. fail: processing → failed, if no attempts are left, or if no
-- delay is given because the error is permanent. cancel: processing → cancelled, if somebody asked to cancel the
-- record. Each of these arrows charges one attempt and stores that attempt in the history. Returns the accepted ids
-- with their new status.
WITH outcome AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::bigint[], %(claim_numbers)s::integer[], %(started_ages)s::float8[],
        %(finished_ages)s::float8[], %(retry_delays)s::float8[], %(exception_types)s::text[],
        %(error_messages)s::text[], %(error_groups)s::text[], %(tracebacks)s::text[])
        AS o(id, claim_number, started_age, finished_age, retry_delay, exception_type, error_message, error_group, traceback)
), owned AS MATERIALIZED (
    SELECT q.id, CASE
        WHEN EXISTS (SELECT FROM public.cancel_requests c WHERE c.record_id = q.id) THEN 'cancelled'
        WHEN o.retry_delay IS NOT NULL AND q.retry_count < %(max_retries)s THEN 'pending'
        ELSE 'failed' END AS new_status
    FROM public.processing_queue q JOIN outcome o ON q.id = ANY(ARRAY[o.id]) AND o.claim_number = q.claim_number
    WHERE q.flow_instance_id = %(flow_instance_id)s AND public.unindexed(q.status) = 'processing'
    ORDER BY o.id
    FOR NO KEY UPDATE OF q
), written AS (
    UPDATE public.processing_queue q
    SET status = owned.new_status, retry_count = least(q.retry_count, 2147483646) + 1, updated_at = clock_timestamp(),
        error_message = o.error_message,
        batch_limit = NULL, unfinished_claims = 0,
        started_at = CASE WHEN owned.new_status <> 'pending'
            THEN greatest(q.claimed_at, clock_timestamp() - make_interval(secs => o.started_age)) END,
        claimed_at = CASE WHEN owned.new_status <> 'pending' THEN q.claimed_at END,
        flow_instance_id = CASE WHEN owned.new_status <> 'pending' THEN q.flow_instance_id END,
        scheduled_at = CASE WHEN owned.new_status = 'pending'
            THEN clock_timestamp() + make_interval(secs => o.retry_delay) ELSE q.scheduled_at END
    FROM owned JOIN outcome o ON o.id = owned.id
    WHERE q.id = ANY(ARRAY[owned.id])
    RETURNING q.id, q.claim_number, q.retry_count, q.status
), remembered AS (
    INSERT INTO public.record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
        exception_type, error_message, error_group, traceback, started_at, finished_at)
    SELECT w.id, w.claim_number, w.retry_count, %(flow_name)s, %(flow_instance_id)s,
        CASE w.status WHEN 'pending' THEN 'retried' ELSE w.status END,
        o.exception_type, o.error_message, o.error_group, o.traceback,
        clock_timestamp() - make_interval(secs => o.started_age),
        clock_timestamp() - make_interval(secs => o.finished_age)
    FROM written w JOIN outcome o ON o.id = w.id
), answered AS (
    DELETE FROM public.cancel_requests c USING written w WHERE c.record_id = w.id AND w.status = 'cancelled'
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, retried, failed, cancelled, refused, processing_seconds, processing_histogram)
    SELECT %(flow_name)s, count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'failed'),
        count(*) FILTER (WHERE status = 'cancelled'), cardinality(%(ids)s::bigint[]) - count(*),
        %(processing_seconds)s, %(processing_histogram)s::bigint[]
    FROM written
)
SELECT id, status FROM written
