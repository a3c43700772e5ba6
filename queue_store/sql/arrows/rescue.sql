-- rescue: processing → pending, failed or cancelled, for the records of one ended or dead run. No attempt is charged.
-- If the run was running (and not stopping) when it died, the record that is known to have been in flight gets a crash
-- strike. If it is not known which record was in flight, and the run left only one record, that record gets the strike.
-- If the run left several records, and any of them may have been in flight, they become suspects. Suspects are claimed
-- again in batches of at most half their number, rounded up. A record that was claimed too often without an outcome is
-- isolated. If an isolated record was claimed alone and that claim ended without an outcome, the record gets a crash
-- strike. If somebody has asked to cancel a record, the record becomes cancelled. Returns each id with its new status
-- and whether the record got a strike. Only one session rescues a run at a time. Rows that somebody else has locked are
-- left for the next sweep. Therefore the first sweep stores how many orphans the run left. Otherwise a later sweep
-- could mistake the one remaining row for the run's only record.
WITH mine AS MATERIALIZED (
    SELECT r.flow_instance_id FROM public.flow_execution_logs r
    WHERE r.flow_instance_id = %(flow_instance_id)s AND r.state IN ('ended', 'dead')
    FOR NO KEY UPDATE SKIP LOCKED
), gone AS (
    UPDATE public.flow_execution_logs r
    SET orphan_count = coalesce(r.orphan_count, (
        SELECT count(*) FROM public.processing_queue q
        WHERE q.status = 'processing' AND q.flow_instance_id = r.flow_instance_id))
    FROM mine
    WHERE r.flow_instance_id = mine.flow_instance_id
    RETURNING r.flow_instance_id, r.flow_name, r.died_running, r.suspect_record_id, r.orphan_count, r.error_message,
        (r.died_running OR r.leaves_unfinished)::integer AS unfinished
), flow AS MATERIALIZED (
    SELECT coalesce((SELECT (f.declared ->> 'max_crash_strikes')::integer FROM public.flows f JOIN gone USING (flow_name)),
        %(max_crash_strikes)s::integer) AS most_strikes
), orphan AS MATERIALIZED (
    SELECT q.id, q.crash_strikes, q.batch_limit, q.claim_number, q.retry_count,
        gone.unfinished = 1 AND q.unfinished_claims >= %(max_unfinished_claims)s AND q.batch_limit = 1 AS endless,
        q.unfinished_claims + gone.unfinished >= %(max_unfinished_claims)s AS isolated,
        EXISTS (SELECT FROM public.cancel_requests c WHERE c.record_id = q.id) AS cancelled
    FROM public.processing_queue q JOIN gone ON gone.flow_instance_id = q.flow_instance_id
    WHERE q.status = 'processing'
    ORDER BY q.id + 0 -- `+ 0` forces a sort: a planner that believes the table is empty would read the table by id
    FOR NO KEY UPDATE OF q SKIP LOCKED
), judged AS MATERIALIZED (
    SELECT o.id, o.claim_number, o.retry_count, o.cancelled, gone.flow_name, gone.flow_instance_id,
        o.endless OR gone.died_running AND coalesce(o.id = gone.suspect_record_id, gone.orphan_count = 1) AS struck,
        o.endless AND NOT gone.died_running AS ended_itself, gone.error_message AS reason, o.isolated, gone.unfinished,
        gone.died_running AND gone.suspect_record_id IS NULL AS suspect,
        gone.orphan_count, o.batch_limit,
        o.crash_strikes + 1 >= flow.most_strikes AS last_strike, flow.most_strikes
    FROM orphan o CROSS JOIN gone CROSS JOIN flow
), written AS (
    UPDATE public.processing_queue q
    SET status = CASE WHEN j.cancelled THEN 'cancelled' WHEN j.struck AND j.last_strike THEN 'failed' ELSE 'pending' END,
        crash_strikes = least(q.crash_strikes + j.struck::integer, 32767),
        unfinished_claims = least(q.unfinished_claims + j.unfinished, 32767),
        batch_limit = CASE WHEN j.cancelled OR j.struck AND j.last_strike THEN NULL WHEN j.struck OR j.isolated THEN 1
            WHEN j.suspect THEN least(q.batch_limit, greatest(1, ceil(j.orphan_count / 2.0))::smallint)
            ELSE q.batch_limit END,
        error_message = CASE WHEN j.struck
            THEN format('%%s (crash strike %%s of %%s).', CASE WHEN j.ended_itself
                THEN 'Its run ended again without an outcome of this record, which was claimed alone'
                ELSE 'The worker process or its connection died while it worked on this record' END,
                q.crash_strikes + 1, j.most_strikes)
                || CASE WHEN j.ended_itself THEN ' The run said: ' || left(j.reason, 1000) ELSE '' END
            ELSE q.error_message END,
        updated_at = clock_timestamp(),
        claimed_at = CASE WHEN j.cancelled OR j.struck AND j.last_strike THEN q.claimed_at END,
        flow_instance_id = CASE WHEN j.cancelled OR j.struck AND j.last_strike THEN q.flow_instance_id END
    FROM judged j
    WHERE q.id = ANY(ARRAY[j.id])
    RETURNING q.id, q.status, q.error_message, j.struck, j.claim_number, j.retry_count, j.flow_name, j.flow_instance_id,
        CASE WHEN j.ended_itself THEN 'ClaimWithoutOutcome' ELSE 'WorkerProcessDied' END AS kind
), remembered AS (
    INSERT INTO public.record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
        exception_type, error_message, error_group)
    SELECT id, claim_number, retry_count, flow_name, flow_instance_id, 'crashed', kind, error_message, kind
    FROM written WHERE struck
), answered AS (
    DELETE FROM public.cancel_requests c USING written w WHERE c.record_id = w.id AND w.status = 'cancelled'
), counted AS (
    INSERT INTO public.rollup_deltas (flow_name, rescued, crashed, failed, cancelled)
    SELECT flow_name, count(*), count(*) FILTER (WHERE struck), count(*) FILTER (WHERE status = 'failed'),
        count(*) FILTER (WHERE status = 'cancelled')
    FROM written GROUP BY flow_name
)
SELECT id, status, struck FROM written ORDER BY id
