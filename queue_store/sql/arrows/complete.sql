-- complete: processing → completed, for the records that this run still owns under the same claim number.
-- Returns the ids of the completed records, and counts the others as refused.
WITH outcome AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::bigint[], %(claim_numbers)s::integer[],
        %(started_ages)s::float8[], %(finished_ages)s::float8[], %(results)s::jsonb[])
        AS o(id, claim_number, started_age, finished_age, result)
), completed AS (
    UPDATE public.processing_queue q
    SET status = 'completed', updated_at = clock_timestamp(), result = o.result, batch_limit = NULL,
        unfinished_claims = 0, error_message = NULL,
        started_at = greatest(q.claimed_at, clock_timestamp() - make_interval(secs => o.started_age)),
        completed_at = greatest(q.claimed_at, clock_timestamp() - make_interval(secs => o.finished_age))
    FROM outcome o
    WHERE q.id = ANY(ARRAY[o.id]) AND q.claim_number = o.claim_number
        AND q.flow_instance_id = %(flow_instance_id)s AND public.unindexed(q.status) = 'processing'
    RETURNING q.id
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, completed, refused, processing_seconds, processing_histogram)
    SELECT %(flow_name)s, count(*), cardinality(%(ids)s::bigint[]) - count(*),
        %(processing_seconds)s, %(processing_histogram)s::bigint[]
    FROM completed
)
SELECT id FROM completed
