-- complete: pending → completed, for records that this run has locked by runs/hold_records.sql. This statement also
-- claims the records. FOR SHARE locks the run's row, as in arrows/claim.sql. So a run that has ended or is dead claims
-- nothing. `mark` is NULL if this transaction still has the locks. If the locks were lost and the outcomes are written
-- again, `mark` is what runs/slice_mark.sql returned. If a row still has this mark in its xmax, nobody has changed the
-- row's owner or payload since this run locked the row. Returns the ids of the completed records. The outcomes of all
-- other given records are refused, and counted as refused.
WITH open AS MATERIALIZED (
    SELECT FROM public.flow_execution_logs run
    WHERE run.flow_instance_id = %(flow_instance_id)s AND run.state IN ('running', 'stopping')
    FOR SHARE OF run
), outcome AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::bigint[], %(claim_numbers)s::integer[],
        %(started_ages)s::float8[], %(finished_ages)s::float8[], %(results)s::jsonb[])
        AS o(id, claim_number, started_age, finished_age, result)
), completed AS (
    UPDATE public.processing_queue q
    SET status = 'completed', updated_at = clock_timestamp(), result = o.result, batch_limit = NULL,
        unfinished_claims = 0, error_message = NULL,
        flow_instance_id = %(flow_instance_id)s, claim_number = q.claim_number + 1,
        claimed_at = %(claimed_at)s::timestamptz,
        started_at = greatest(%(claimed_at)s::timestamptz, clock_timestamp() - make_interval(secs => o.started_age)),
        completed_at = greatest(%(claimed_at)s::timestamptz, clock_timestamp() - make_interval(secs => o.finished_age))
    FROM outcome o
    WHERE q.id = ANY(ARRAY[o.id]) AND q.claim_number = o.claim_number - 1 AND q.flow_name = %(flow_name)s
        AND public.unindexed(q.status) = 'pending' AND (%(mark)s::xid IS NULL OR q.xmax = %(mark)s::xid)
        AND EXISTS (SELECT FROM open)
    RETURNING q.id, extract(epoch FROM q.claimed_at - q.scheduled_at)::float8 AS wait
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, claimed, wait_seconds, wait_histogram, completed, refused,
        processing_seconds, processing_histogram)
    SELECT %(flow_name)s, count(*), coalesce(sum(wait), 0),
        ARRAY(SELECT count(c.id) FROM generate_series(0, cardinality(%(bounds)s::float8[])) AS bucket
            LEFT JOIN completed c ON width_bucket(c.wait, %(bounds)s::float8[]) = bucket
            GROUP BY bucket ORDER BY bucket),
        count(*), cardinality(%(ids)s::bigint[]) - count(*),
        %(processing_seconds)s, %(processing_histogram)s::bigint[]
    FROM completed
)
SELECT id FROM completed
