-- How many pending records the express slice of a run holds locked, as its last heartbeat says.
ALTER TABLE public.flow_execution_logs ADD COLUMN records_held integer NOT NULL DEFAULT 0;

-- As before, and with the records of express slices. What a busy run has in hand includes them already.
CREATE OR REPLACE FUNCTION public.processing_counts(most bigint) RETURNS TABLE (flow_name text, processing bigint)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH busy AS MATERIALIZED (
        SELECT * FROM public.busy_runs()
    )
    SELECT p.flow_name, sum(p.processing)::bigint FROM (
        SELECT q.flow_name, count(*) AS processing
        FROM public.processing_but_of_runs(ARRAY(SELECT flow_instance_id FROM busy), most) q GROUP BY q.flow_name
        UNION ALL
        SELECT busy.flow_name, busy.in_hand FROM busy
        UNION ALL
        SELECT r.flow_name, r.records_held FROM public.flow_execution_logs r
        WHERE r.state IN ('running', 'stopping') AND r.records_held > 0 AND r.records_claimed <= 10000
            AND r.heartbeat_at > now() - interval '5 seconds') p
    GROUP BY p.flow_name
$$;
