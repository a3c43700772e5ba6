-- claim: pending → processing, for records that this run has locked with runs/hold_records.sql. The run claims the
-- records that have an outcome other than completed. If an express slice takes too long, the run also claims the
-- slice's records that have no outcome yet. arrows/complete_held.sql explains `mark` and FOR SHARE. Returns the ids of
-- the claimed records.
WITH open AS MATERIALIZED (
    SELECT FROM public.flow_execution_logs run
    WHERE run.flow_instance_id = %(flow_instance_id)s AND run.state IN ('running', 'stopping')
    FOR SHARE OF run
), wanted AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::bigint[], %(claim_numbers)s::integer[]) AS o(id, claim_number)
), claimed AS (
    UPDATE public.processing_queue q
    SET status = 'processing', claimed_at = %(claimed_at)s::timestamptz, updated_at = clock_timestamp(),
        flow_instance_id = %(flow_instance_id)s, claim_number = q.claim_number + 1
    FROM wanted o
    WHERE q.id = ANY(ARRAY[o.id]) AND q.claim_number = o.claim_number - 1 AND q.flow_name = %(flow_name)s
        AND public.unindexed(q.status) = 'pending' AND (%(mark)s::xid IS NULL OR q.xmax = %(mark)s::xid)
        AND EXISTS (SELECT FROM open)
    RETURNING q.id, extract(epoch FROM q.claimed_at - q.scheduled_at)::float8 AS wait
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, claimed, wait_seconds, wait_histogram)
    SELECT %(flow_name)s, count(*), sum(wait),
        ARRAY(SELECT count(c.id) FROM generate_series(0, cardinality(%(bounds)s::float8[])) AS bucket
            LEFT JOIN claimed c ON width_bucket(c.wait, %(bounds)s::float8[]) = bucket
            GROUP BY bucket ORDER BY bucket)
    FROM claimed HAVING count(*) > 0
)
SELECT id FROM claimed
