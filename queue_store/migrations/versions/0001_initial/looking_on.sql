-- Functions with which readings find the processing records without scanning the index entries of finished records.
-- Each function names the schema of the tables that it reads.

-- Returns the busy runs: live runs that have claimed more than 10,000 records, and have sent a heartbeat within the
-- last five seconds. `in_hand` is the number of records that the run was processing at that heartbeat. Readings use
-- this number instead of counting the records of a busy run. A count would scan dead index entries: until the next
-- vacuum, the entries of all records that a run has finished come before those of its processing records.
CREATE FUNCTION busy_runs() RETURNS TABLE (
        flow_instance_id uuid, flow_name text, started_at timestamptz, heartbeat_at timestamptz, in_hand bigint)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT r.flow_instance_id, r.flow_name, r.started_at, r.heartbeat_at,
        -- Between two batches it may say 0. But a run that has nothing more to do ends.
        greatest(1, r.records_claimed - r.records_completed - r.records_retried - r.records_failed
            - r.records_snoozed - r.records_released - r.records_cancelled - r.records_refused)
    FROM public.flow_execution_logs r
    WHERE r.state IN ('running', 'stopping') AND r.records_claimed > 10000
        AND r.heartbeat_at > now() - interval '5 seconds'
$$;

-- Returns at most `most` processing records that belong to none of these runs, in the order of the index. The query
-- skips the index entries of these runs. Processing records without a run would come last, but the constraint
-- processing_queue_state does not allow any.
CREATE FUNCTION processing_but_of_runs(run_ids uuid[], most bigint) RETURNS TABLE (
        id bigint, flow_name text, status text, flow_instance_id uuid, claimed_at timestamptz, completed_at timestamptz,
        updated_at timestamptz, claim_number integer, error_message text)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH gap AS MATERIALIZED (
        SELECT lag(run, 1, '00000000-0000-0000-0000-000000000000') OVER in_order AS after_run,
            lag(9223372036854775807, 1, -9223372036854775808) OVER in_order AS after_id,
            run AS before_run,
            lead(-9223372036854775808, 1, 9223372036854775807) OVER in_order AS before_id
        FROM unnest(run_ids || 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid) AS run
        WINDOW in_order AS (ORDER BY run)
    )
    SELECT * FROM (
        SELECT within.* FROM gap CROSS JOIN LATERAL (
            SELECT q.id, q.flow_name, q.status, q.flow_instance_id, q.claimed_at, q.completed_at, q.updated_at,
                q.claim_number, q.error_message
            FROM public.processing_queue q
            WHERE q.status = 'processing' AND (q.flow_instance_id, q.id) > (gap.after_run, gap.after_id)
                AND (q.flow_instance_id, q.id) <= (gap.before_run, gap.before_id)
            ORDER BY q.flow_instance_id, q.id LIMIT most) within
        UNION ALL
        (SELECT q.id, q.flow_name, q.status, q.flow_instance_id, q.claimed_at, q.completed_at, q.updated_at,
            q.claim_number, q.error_message
        FROM public.processing_queue q WHERE q.status = 'processing' AND q.flow_instance_id IS NULL
        ORDER BY q.flow_instance_id, q.id LIMIT most)) found
    LIMIT most
$$;

-- Returns the number of processing records by flow. The function adds up three numbers: the records that busy runs had
-- in hand at their last heartbeats; all other processing records, counted up to `most`; and the records in the express
-- slices of runs that are not busy. The number of a busy run already includes its express slice.
CREATE FUNCTION processing_counts(most bigint) RETURNS TABLE (flow_name text, processing bigint)
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
