-- The schema as the migrations and `queuectl grant-roles` make it. To be read: `queuectl migrate` executes the files in
-- versions/, and never this one. `make schema` writes it.

-- Roles
CREATE ROLE processing_queue_admin NOLOGIN IN ROLE pg_read_all_stats, pg_signal_backend;
CREATE ROLE processing_queue_flow_producer NOLOGIN;
CREATE ROLE processing_queue_monitor NOLOGIN;
CREATE ROLE processing_queue_producer NOLOGIN;
CREATE ROLE processing_queue_worker NOLOGIN IN ROLE pg_read_all_stats, pg_signal_backend;

-- Domains
CREATE DOMAIN flow_name AS text;

-- Constraints of domains
ALTER DOMAIN flow_name ADD CONSTRAINT flow_name_is_plain CHECK (((length(VALUE) <= 255) AND (VALUE ~ '^[A-Za-z_][A-Za-z0-9_.-]*$'::text))) NOT VALID;

-- Sequences, except those of identity columns
CREATE SEQUENCE rollup_deltas_id_seq AS bigint INCREMENT 1 MINVALUE 1 MAXVALUE 9223372036854775807 START 1 CACHE 1;

-- Tables
CREATE TABLE alert_contacts (
    contact text NOT NULL,
    process_kind text NOT NULL,
    hostname text NOT NULL,
    pid integer NOT NULL,
    registered_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT alert_contacts_pkey PRIMARY KEY (contact, process_kind),
    CONSTRAINT alert_contacts_contact_check CHECK ((contact ~ '^[a-z_]{1,40}$'::text))
) WITH (fillfactor=50);
CREATE TABLE alerts (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    alert_key text NOT NULL,
    code text NOT NULL,
    flow_name text,
    level text NOT NULL,
    message text NOT NULL,
    next_step text NOT NULL,
    figure double precision,
    threshold double precision,
    opened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    level_since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    raised_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    raised_level text NOT NULL,
    rise_count integer DEFAULT 0 NOT NULL,
    last_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_count integer DEFAULT 1 NOT NULL,
    escalation_step integer DEFAULT 0 NOT NULL,
    escalated_at timestamp with time zone,
    acknowledged_at timestamp with time zone,
    acknowledged_by text,
    resolved_at timestamp with time zone,
    CONSTRAINT alerts_pkey PRIMARY KEY (id),
    CONSTRAINT alerts_alert_key_check CHECK ((alert_key <> ''::text)),
    CONSTRAINT alerts_check CHECK (((acknowledged_at IS NULL) = (acknowledged_by IS NULL))),
    CONSTRAINT alerts_escalation_step_check CHECK ((escalation_step >= 0)),
    CONSTRAINT alerts_level_check CHECK ((level = ANY (ARRAY['warning'::text, 'critical'::text, 'emergency'::text]))),
    CONSTRAINT alerts_rise_count_check CHECK ((rise_count >= 0)),
    CONSTRAINT alerts_seen_count_check CHECK ((seen_count > 0))
);
CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    affected_count bigint NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    login text DEFAULT SESSION_USER NOT NULL,
    number bigint,
    seal bytea,
    CONSTRAINT audit_log_pkey PRIMARY KEY (id)
);
CREATE TABLE audit_seal (
    only_row boolean DEFAULT true NOT NULL,
    number bigint DEFAULT 0 NOT NULL,
    seal bytea DEFAULT '\x'::bytea NOT NULL,
    purged_number bigint DEFAULT 0 NOT NULL,
    purged_seal bytea DEFAULT '\x'::bytea NOT NULL,
    CONSTRAINT audit_seal_pkey PRIMARY KEY (only_row),
    CONSTRAINT audit_seal_only_row_check CHECK (only_row)
);
CREATE TABLE baselines (
    flow_name text NOT NULL,
    hour_of_week smallint NOT NULL,
    outcomes_per_hour double precision NOT NULL,
    success_rate_percent double precision,
    processing_seconds double precision,
    week_count integer NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT baselines_pkey PRIMARY KEY (flow_name, hour_of_week),
    CONSTRAINT baselines_hour_of_week_check CHECK (((hour_of_week >= 0) AND (hour_of_week <= 167))),
    CONSTRAINT baselines_week_count_check CHECK ((week_count > 0))
);
CREATE TABLE beat_leader (
    only_row boolean DEFAULT true NOT NULL,
    beat_id uuid,
    leads_until timestamp with time zone DEFAULT '2000-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    watcher_id uuid,
    watches_until timestamp with time zone DEFAULT '2000-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    CONSTRAINT beat_leader_pkey PRIMARY KEY (only_row),
    CONSTRAINT beat_leader_only_row_check CHECK (only_row)
);
CREATE TABLE beats (
    beat_id uuid NOT NULL,
    hostname text NOT NULL,
    pid integer NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ticks jsonb DEFAULT '{}'::jsonb NOT NULL,
    stopped_at timestamp with time zone,
    CONSTRAINT beats_pkey PRIMARY KEY (beat_id)
);
CREATE TABLE cancel_requests (
    record_id bigint NOT NULL,
    requested_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    requested_by text NOT NULL,
    reason text,
    CONSTRAINT cancel_requests_pkey PRIMARY KEY (record_id)
);
CREATE TABLE connection_checks (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    attempt_count integer NOT NULL,
    success_count integer NOT NULL,
    response_time_ms double precision,
    CONSTRAINT connection_checks_pkey PRIMARY KEY (id),
    CONSTRAINT connection_checks_attempt_count_check CHECK ((attempt_count > 0)),
    CONSTRAINT connection_checks_check CHECK (((success_count >= 0) AND (success_count <= attempt_count)))
);
CREATE TABLE depth_minutes (
    minute timestamp with time zone NOT NULL,
    flow_name text NOT NULL,
    pending bigint NOT NULL,
    processing bigint NOT NULL,
    is_approximate boolean NOT NULL,
    oldest_due_seconds double precision,
    waiting bigint DEFAULT 0 NOT NULL,
    CONSTRAINT depth_minutes_pkey PRIMARY KEY (minute, flow_name)
);
CREATE TABLE error_hours (
    hour timestamp with time zone NOT NULL,
    flow_name text NOT NULL,
    error_group text NOT NULL,
    exception_type text NOT NULL,
    error_message text NOT NULL,
    error_count bigint NOT NULL,
    failed_count bigint NOT NULL,
    record_count bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    CONSTRAINT error_hours_pkey PRIMARY KEY (hour, flow_name, error_group)
) WITH (fillfactor=70);
CREATE TABLE flow_execution_logs (
    flow_instance_id uuid NOT NULL,
    flow_name text NOT NULL,
    worker_process_id uuid NOT NULL,
    celery_task_id text,
    state text DEFAULT 'running'::text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    settled_at timestamp with time zone,
    died_running boolean DEFAULT false NOT NULL,
    suspect_record_id bigint,
    orphan_count integer,
    backend_pid integer,
    backend_started_at timestamp with time zone,
    batch_count integer DEFAULT 0 NOT NULL,
    records_claimed bigint DEFAULT 0 NOT NULL,
    records_completed bigint DEFAULT 0 NOT NULL,
    records_retried bigint DEFAULT 0 NOT NULL,
    records_failed bigint DEFAULT 0 NOT NULL,
    records_snoozed bigint DEFAULT 0 NOT NULL,
    records_released bigint DEFAULT 0 NOT NULL,
    records_cancelled bigint DEFAULT 0 NOT NULL,
    records_refused bigint DEFAULT 0 NOT NULL,
    error_message text,
    leaves_unfinished boolean DEFAULT false NOT NULL,
    records_held integer DEFAULT 0 NOT NULL,
    CONSTRAINT flow_execution_logs_pkey PRIMARY KEY (flow_instance_id),
    CONSTRAINT flow_execution_logs_check CHECK (((finished_at IS NOT NULL) = (state = ANY (ARRAY['ended'::text, 'dead'::text])))),
    CONSTRAINT flow_execution_logs_check1 CHECK (((settled_at IS NULL) OR (state = ANY (ARRAY['ended'::text, 'dead'::text])))),
    CONSTRAINT flow_execution_logs_state_check CHECK ((state = ANY (ARRAY['running'::text, 'stopping'::text, 'ended'::text, 'dead'::text])))
);
CREATE TABLE flows (
    flow_name flow_name NOT NULL,
    celery_queue text NOT NULL,
    batch_size integer NOT NULL,
    max_runs integer,
    max_retries integer NOT NULL,
    orphan_timeout_seconds double precision NOT NULL,
    declared jsonb DEFAULT '{}'::jsonb NOT NULL,
    registered_at timestamp with time zone DEFAULT now() NOT NULL,
    batch_size_override integer,
    max_runs_override integer,
    paused_at timestamp with time zone,
    pause_reason text,
    ingestion_stopped_at timestamp with time zone,
    ingestion_stop_reason text,
    failure_blocks_key boolean GENERATED ALWAYS AS (COALESCE(((declared ->> 'failure_blocks_key'::text))::boolean, false)) STORED NOT NULL,
    claims_failing_since timestamp with time zone,
    claims_failed_at timestamp with time zone,
    claims_failed integer DEFAULT 0 NOT NULL,
    claims_error text,
    CONSTRAINT flows_pkey PRIMARY KEY (flow_name),
    CONSTRAINT flows_batch_size_check CHECK (((batch_size >= 1) AND (batch_size <= 10000))),
    CONSTRAINT flows_batch_size_override_check CHECK (((batch_size_override >= 1) AND (batch_size_override <= 10000))),
    CONSTRAINT flows_celery_queue_check CHECK ((celery_queue <> ''::text)),
    CONSTRAINT flows_claims_failed_check CHECK ((claims_failed >= 0)),
    CONSTRAINT flows_max_retries_check CHECK ((max_retries >= 0)),
    CONSTRAINT flows_max_runs_check CHECK ((max_runs > 0)),
    CONSTRAINT flows_max_runs_override_check CHECK ((max_runs_override > 0)),
    CONSTRAINT flows_orphan_timeout_seconds_check CHECK ((orphan_timeout_seconds > (0)::double precision))
);
CREATE TABLE maintenance_runs (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    operation text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    dry_run boolean NOT NULL,
    actor text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    affected_count bigint DEFAULT 0 NOT NULL,
    parameters jsonb DEFAULT '{}'::jsonb NOT NULL,
    result jsonb,
    error_message text,
    CONSTRAINT maintenance_runs_pkey PRIMARY KEY (id),
    CONSTRAINT maintenance_runs_check CHECK (((finished_at IS NULL) = (state = 'running'::text))),
    CONSTRAINT maintenance_runs_state_check CHECK ((state = ANY (ARRAY['running'::text, 'finished'::text, 'failed'::text, 'abandoned'::text])))
);
CREATE UNLOGGED TABLE open_slices (
    opened_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE processed_surveys (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    record_id bigint NOT NULL,
    respondent_id integer NOT NULL,
    distance_to_clinton smallint NOT NULL,
    distance_to_dole smallint NOT NULL,
    nearest_candidate text NOT NULL,
    income_midpoint_dollars integer NOT NULL,
    vote_is_consistent boolean NOT NULL,
    processed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT processed_surveys_pkey PRIMARY KEY (id),
    CONSTRAINT processed_surveys_nearest_candidate_check CHECK ((nearest_candidate = ANY (ARRAY['clinton'::text, 'dole'::text, 'both'::text])))
);
CREATE TABLE processing_queue (
    id bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL,
    scheduled_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    claimed_at timestamp with time zone,
    started_at timestamp with time zone,
    completed_at timestamp with time zone,
    flow_instance_id uuid,
    claim_number integer DEFAULT 0 NOT NULL,
    retry_count integer DEFAULT 0 NOT NULL,
    priority smallint DEFAULT 5 NOT NULL,
    crash_strikes smallint DEFAULT 0 NOT NULL,
    batch_limit smallint,
    flow_name flow_name NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    dedup_key text,
    order_key text,
    correlation_id text,
    trace_context text,
    error_message text,
    result jsonb,
    enqueued_by text DEFAULT SESSION_USER NOT NULL,
    unfinished_claims smallint DEFAULT 0 NOT NULL,
    task_id text,
    CONSTRAINT processing_queue_pkey PRIMARY KEY (id),
    CONSTRAINT processing_queue_batch_limit_check CHECK ((batch_limit > 0)),
    CONSTRAINT processing_queue_claim_number_check CHECK ((claim_number >= 0)),
    CONSTRAINT processing_queue_correlation_id_check CHECK (((length(correlation_id) >= 1) AND (length(correlation_id) <= 255))),
    CONSTRAINT processing_queue_crash_strikes_check CHECK ((crash_strikes >= 0)),
    CONSTRAINT processing_queue_dedup_key_check CHECK (((length(dedup_key) >= 1) AND (length(dedup_key) <= 255))),
    CONSTRAINT processing_queue_error_message_check CHECK ((length(error_message) <= 4000)),
    CONSTRAINT processing_queue_instants CHECK (((scheduled_at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (scheduled_at < '9999-01-01 00:00:00+00'::timestamp with time zone) AND (created_at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '9999-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at < '9999-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT processing_queue_order_key_check CHECK (((length(order_key) >= 1) AND (length(order_key) <= 255))),
    CONSTRAINT processing_queue_payload_check CHECK ((pg_column_size(payload) <= 1048576)),
    CONSTRAINT processing_queue_priority_check CHECK (((priority >= 0) AND (priority <= 9))),
    CONSTRAINT processing_queue_result_check CHECK ((pg_column_size(result) <= 1048576)),
    CONSTRAINT processing_queue_retry_count_check CHECK ((retry_count >= 0)),
    CONSTRAINT processing_queue_state CHECK (
CASE status
    WHEN 'pending'::text THEN ((claimed_at IS NULL) AND (flow_instance_id IS NULL) AND (completed_at IS NULL))
    WHEN 'processing'::text THEN ((claimed_at IS NOT NULL) AND (flow_instance_id IS NOT NULL) AND (claim_number > 0) AND (completed_at IS NULL))
    WHEN 'completed'::text THEN ((claimed_at IS NOT NULL) AND (flow_instance_id IS NOT NULL) AND (claim_number > 0) AND (completed_at >= claimed_at))
    WHEN 'failed'::text THEN ((error_message IS NOT NULL) AND (completed_at IS NULL))
    ELSE (completed_at IS NULL)
END),
    CONSTRAINT processing_queue_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'processing'::text, 'completed'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT processing_queue_trace_context_check CHECK ((length(trace_context) <= 1024))
) WITH (autovacuum_analyze_scale_factor=0.02, autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_insert_scale_factor=0.05, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=20000);
CREATE TABLE producer_flows (
    login name NOT NULL,
    flow_name flow_name NOT NULL,
    CONSTRAINT producer_flows_pkey PRIMARY KEY (login, flow_name)
);
CREATE TABLE queue_control (
    only_row boolean DEFAULT true NOT NULL,
    processing_stopped_at timestamp with time zone,
    processing_stop_reason text,
    ingestion_stopped_at timestamp with time zone,
    ingestion_stop_reason text,
    CONSTRAINT queue_control_pkey PRIMARY KEY (only_row),
    CONSTRAINT queue_control_only_row_check CHECK (only_row)
);
CREATE TABLE record_attempts (
    record_id bigint NOT NULL,
    claim_number integer NOT NULL,
    attempt_number integer NOT NULL,
    flow_name text NOT NULL,
    flow_instance_id uuid NOT NULL,
    outcome text NOT NULL,
    exception_type text NOT NULL,
    error_message text NOT NULL,
    error_group text NOT NULL,
    traceback text,
    started_at timestamp with time zone,
    finished_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT record_attempts_pkey PRIMARY KEY (record_id, claim_number),
    CONSTRAINT record_attempts_outcome_check CHECK ((outcome = ANY (ARRAY['retried'::text, 'failed'::text, 'cancelled'::text, 'crashed'::text])))
);
CREATE TABLE record_progress (
    record_id bigint NOT NULL,
    claim_number integer NOT NULL,
    progress jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT record_progress_pkey PRIMARY KEY (record_id),
    CONSTRAINT record_progress_progress_check CHECK ((pg_column_size(progress) <= 16384))
);
CREATE TABLE rollup_deltas (
    id bigint DEFAULT nextval(
CASE
    WHEN (pg_current_xact_id() IS NOT NULL) THEN 'rollup_deltas_id_seq'::regclass
    ELSE NULL::regclass
END) NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    flow_name text NOT NULL,
    enqueued integer DEFAULT 0 NOT NULL,
    claimed integer DEFAULT 0 NOT NULL,
    completed integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    retried integer DEFAULT 0 NOT NULL,
    snoozed integer DEFAULT 0 NOT NULL,
    released integer DEFAULT 0 NOT NULL,
    rescued integer DEFAULT 0 NOT NULL,
    crashed integer DEFAULT 0 NOT NULL,
    cancelled integer DEFAULT 0 NOT NULL,
    reset integer DEFAULT 0 NOT NULL,
    refused integer DEFAULT 0 NOT NULL,
    purged integer DEFAULT 0 NOT NULL,
    completed_adjusted integer DEFAULT 0 NOT NULL,
    failed_adjusted integer DEFAULT 0 NOT NULL,
    cancelled_adjusted integer DEFAULT 0 NOT NULL,
    processing_seconds double precision DEFAULT 0 NOT NULL,
    processing_histogram bigint[],
    wait_seconds double precision DEFAULT 0 NOT NULL,
    wait_histogram bigint[],
    errors jsonb,
    CONSTRAINT rollup_deltas_pkey PRIMARY KEY (id)
) WITH (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=5000);
CREATE TABLE rollup_hours (
    hour timestamp with time zone NOT NULL,
    flow_name text NOT NULL,
    enqueued bigint NOT NULL,
    claimed bigint NOT NULL,
    completed bigint NOT NULL,
    failed bigint NOT NULL,
    retried bigint NOT NULL,
    snoozed bigint NOT NULL,
    released bigint NOT NULL,
    rescued bigint NOT NULL,
    crashed bigint NOT NULL,
    cancelled bigint NOT NULL,
    reset bigint NOT NULL,
    refused bigint NOT NULL,
    purged bigint NOT NULL,
    processing_seconds double precision NOT NULL,
    processing_histogram bigint[] NOT NULL,
    wait_seconds double precision NOT NULL,
    wait_histogram bigint[] NOT NULL,
    CONSTRAINT rollup_hours_pkey PRIMARY KEY (hour, flow_name)
) WITH (fillfactor=70);
CREATE TABLE rollup_minutes (
    minute timestamp with time zone NOT NULL,
    flow_name text NOT NULL,
    enqueued bigint NOT NULL,
    claimed bigint NOT NULL,
    completed bigint NOT NULL,
    failed bigint NOT NULL,
    retried bigint NOT NULL,
    snoozed bigint NOT NULL,
    released bigint NOT NULL,
    rescued bigint NOT NULL,
    crashed bigint NOT NULL,
    cancelled bigint NOT NULL,
    reset bigint NOT NULL,
    refused bigint NOT NULL,
    purged bigint NOT NULL,
    processing_seconds double precision NOT NULL,
    processing_histogram bigint[] NOT NULL,
    wait_seconds double precision NOT NULL,
    wait_histogram bigint[] NOT NULL,
    CONSTRAINT rollup_minutes_pkey PRIMARY KEY (minute, flow_name)
) WITH (fillfactor=70);
CREATE TABLE rollup_overall (
    minute timestamp with time zone NOT NULL,
    enqueued bigint NOT NULL,
    completed bigint NOT NULL,
    failed bigint NOT NULL,
    retried bigint NOT NULL,
    cancelled bigint NOT NULL,
    processing_histogram bigint[] NOT NULL,
    wait_histogram bigint[] NOT NULL,
    CONSTRAINT rollup_overall_pkey PRIMARY KEY (minute)
) WITH (fillfactor=70);
CREATE TABLE rollup_progress (
    only_row boolean DEFAULT true NOT NULL,
    folded_through_id bigint DEFAULT 0 NOT NULL,
    candidate_id bigint DEFAULT 0 NOT NULL,
    candidate_transaction xid8,
    folded_at timestamp with time zone,
    recounted_at timestamp with time zone,
    CONSTRAINT rollup_progress_pkey PRIMARY KEY (only_row),
    CONSTRAINT rollup_progress_only_row_check CHECK (only_row)
);
CREATE TABLE rollup_totals (
    flow_name text NOT NULL,
    total bigint NOT NULL,
    completed bigint NOT NULL,
    failed bigint NOT NULL,
    cancelled bigint NOT NULL,
    CONSTRAINT rollup_totals_pkey PRIMARY KEY (flow_name)
) WITH (fillfactor=50);
CREATE TABLE schedule_occurrences (
    entry text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    state text DEFAULT 'due'::text NOT NULL,
    noticed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    hinted_at timestamp with time zone,
    taken_at timestamp with time zone,
    heartbeat_at timestamp with time zone,
    take_number integer DEFAULT 0 NOT NULL,
    excused_count integer DEFAULT 0 NOT NULL,
    finished_at timestamp with time zone,
    error_message text,
    CONSTRAINT schedule_occurrences_pkey PRIMARY KEY (entry, due_at),
    CONSTRAINT schedule_occurrences_entry_check CHECK ((entry <> ''::text)),
    CONSTRAINT schedule_occurrences_state_check CHECK ((state = ANY (ARRAY['due'::text, 'running'::text, 'finished'::text, 'failed'::text, 'skipped'::text])))
);
CREATE TABLE schema_version (
    version_num character varying(32) NOT NULL,
    CONSTRAINT schema_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE worker_processes (
    worker_process_id uuid NOT NULL,
    worker_id uuid NOT NULL,
    hostname text NOT NULL,
    pid integer NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    flow_names text[] DEFAULT '{}'::text[] NOT NULL,
    celery_queues text[] DEFAULT '{}'::text[] NOT NULL,
    versions jsonb DEFAULT '{}'::jsonb NOT NULL,
    pool_capacity integer DEFAULT 0 NOT NULL,
    pool_in_use integer DEFAULT 0 NOT NULL,
    cpu_percent real,
    memory_bytes bigint,
    memory_limit_bytes bigint,
    processor_count smallint,
    in_hand_record_id bigint,
    in_hand_claim_number integer,
    in_hand_since timestamp with time zone,
    in_hand_flow_name text,
    in_hand_run_id uuid,
    end_record_id bigint,
    end_claim_number integer,
    end_requested_at timestamp with time zone,
    end_requested_by text,
    end_reason text,
    clock_skew_seconds real,
    CONSTRAINT worker_processes_pkey PRIMARY KEY (worker_process_id),
    CONSTRAINT worker_processes_check CHECK (((ended_at IS NOT NULL) = (state = ANY (ARRAY['ended'::text, 'dead'::text])))),
    CONSTRAINT worker_processes_check1 CHECK ((((in_hand_record_id IS NULL) = (in_hand_claim_number IS NULL)) AND ((in_hand_record_id IS NULL) = (in_hand_since IS NULL)) AND ((in_hand_record_id IS NULL) = (in_hand_flow_name IS NULL)) AND ((in_hand_record_id IS NULL) = (in_hand_run_id IS NULL)))),
    CONSTRAINT worker_processes_check2 CHECK ((((end_record_id IS NULL) = (end_claim_number IS NULL)) AND ((end_record_id IS NULL) = (end_requested_at IS NULL)) AND ((end_record_id IS NULL) = (end_requested_by IS NULL)))),
    CONSTRAINT worker_processes_processor_count_check CHECK ((processor_count > 0)),
    CONSTRAINT worker_processes_state_check CHECK ((state = ANY (ARRAY['running'::text, 'stopping'::text, 'ended'::text, 'dead'::text])))
);
CREATE TABLE alert_notices (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    alert_id bigint NOT NULL,
    change text NOT NULL,
    level text NOT NULL,
    rise_count integer NOT NULL,
    escalation_step integer NOT NULL,
    contact text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    taken_at timestamp with time zone,
    try_count integer DEFAULT 0 NOT NULL,
    sent_at timestamp with time zone,
    dropped_at timestamp with time zone,
    error_message text,
    CONSTRAINT alert_notices_pkey PRIMARY KEY (id),
    CONSTRAINT alert_notices_alert_id_change_level_rise_count_escalation_s_key UNIQUE (alert_id, change, level, rise_count, escalation_step, contact),
    CONSTRAINT alert_notices_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES alerts(id) ON DELETE CASCADE,
    CONSTRAINT alert_notices_change_check CHECK ((change = ANY (ARRAY['opened'::text, 'raised'::text, 'escalated'::text, 'resolved'::text])))
);

-- Sequences and the columns that own them
ALTER SEQUENCE rollup_deltas_id_seq OWNED BY rollup_deltas.id;

-- Functions and aggregates
CREATE OR REPLACE FUNCTION public.account_for_attempts()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO public.rollup_deltas (at, flow_name, errors)
    SELECT max(kept.at), kept.flow_name, jsonb_object_agg(kept.kind, jsonb_build_array(
        kept.error_count, kept.failed_count, kept.record_count, kept.exception_type, kept.error_message))
    FROM (
        SELECT kinds.flow_name, kinds.hour, CASE WHEN kinds.place <= 100 THEN kinds.error_group ELSE 'other' END AS kind,
            sum(kinds.error_count) AS error_count, sum(kinds.failed_count) AS failed_count,
            sum(kinds.record_count) AS record_count, min(kinds.exception_type) AS exception_type,
            min(kinds.error_message) AS error_message, max(kinds.at) AS at
        FROM (
            SELECT i.flow_name, date_trunc('hour', i.finished_at) AS hour, i.error_group, count(*) AS error_count,
                count(*) FILTER (WHERE i.outcome = 'failed') AS failed_count,
                count(*) FILTER (WHERE i.claim_number = 1 OR NOT EXISTS (
                    SELECT FROM public.record_attempts earlier
                    WHERE earlier.record_id = i.record_id AND earlier.claim_number < i.claim_number
                        AND earlier.error_group = i.error_group)) AS record_count,
                min(i.exception_type) AS exception_type, min(left(i.error_message, 300)) AS error_message,
                max(i.finished_at) AS at,
                row_number() OVER (PARTITION BY i.flow_name, date_trunc('hour', i.finished_at)
                    ORDER BY count(*) DESC, i.error_group) AS place
            FROM inserted i GROUP BY 1, 2, 3) kinds
        GROUP BY 1, 2, 3) kept
    GROUP BY kept.flow_name, kept.hour;
    RETURN NULL;
END $function$;
CREATE OR REPLACE FUNCTION public.account_for_delete()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    DELETE FROM public.record_attempts a USING deleted d WHERE a.record_id = d.id;
    DELETE FROM public.record_progress p USING deleted d WHERE p.record_id = d.id;
    DELETE FROM public.cancel_requests c USING deleted d WHERE c.record_id = d.id;
    INSERT INTO public.rollup_deltas (flow_name, purged, completed_adjusted, failed_adjusted, cancelled_adjusted)
    SELECT flow_name, count(*), -count(*) FILTER (WHERE status = 'completed'),
        -count(*) FILTER (WHERE status = 'failed'), -count(*) FILTER (WHERE status = 'cancelled')
    FROM deleted GROUP BY flow_name;
    RETURN NULL;
END $function$;
CREATE OR REPLACE FUNCTION public.account_for_insert()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    caller name := coalesce(nullif(current_setting('role'), 'none'), session_user);  -- caller_role(), but quicker
    stopped record;
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    IF NOT has_table_privilege(caller, 'public.processing_queue', 'INSERT') THEN
        PERFORM public.refuse_flows_of_others(ARRAY(SELECT DISTINCT i.flow_name::text FROM inserted i));
    END IF;
    IF current_setting('processing_queue.follow_up', true) IS DISTINCT FROM 'on'
        OR NOT has_table_privilege(caller, 'public.flow_execution_logs', 'INSERT') THEN
        SELECT 'all flows' AS what, c.ingestion_stop_reason AS reason INTO stopped
        FROM public.queue_control c WHERE c.ingestion_stopped_at IS NOT NULL AND EXISTS (SELECT FROM inserted)
        UNION ALL
        SELECT 'flow ' || f.flow_name, f.ingestion_stop_reason
        FROM public.flows f WHERE f.ingestion_stopped_at IS NOT NULL
            AND EXISTS (SELECT FROM inserted i WHERE i.flow_name = f.flow_name)
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'ingestion is stopped for %: %', stopped.what, coalesce(stopped.reason, 'no reason given')
                USING ERRCODE = 'PQ001', HINT = 'Try again after an operator ran queuectl resume --ingestion.';
        END IF;
    END IF;
    INSERT INTO public.rollup_deltas (flow_name, enqueued, completed_adjusted, failed_adjusted, cancelled_adjusted)
    SELECT flow_name, count(*), count(*) FILTER (WHERE status = 'completed'),
        count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'cancelled')
    FROM inserted GROUP BY flow_name;
    RETURN NULL;
END $function$;
CREATE OR REPLACE FUNCTION public.account_for_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    TRUNCATE public.record_attempts, public.record_progress, public.cancel_requests, public.rollup_deltas,
        public.rollup_totals;
    RETURN NULL;
END $function$;
CREATE OR REPLACE FUNCTION public.add_histograms(bigint[], bigint[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog'
AS $function$
DECLARE
    result bigint[] := $1;
BEGIN
    IF coalesce(cardinality($1), 0) = 0 THEN
        RETURN coalesce($2, '{}');
    ELSIF coalesce(cardinality($2), 0) = 0 THEN
        RETURN $1;
    END IF;
    FOR i IN 1..cardinality($2) LOOP
        result[i] := coalesce(result[i], 0) + $2[i];
    END LOOP;
    RETURN result;
END $function$;
CREATE OR REPLACE FUNCTION public.blocks_key(status text, failure_blocks_key boolean)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((status = ANY (ARRAY['pending'::text, 'processing'::text, 'failed'::text])) AND ((status <> 'failed'::text) OR failure_blocks_key));
CREATE OR REPLACE FUNCTION public.busy_runs()
 RETURNS TABLE(flow_instance_id uuid, flow_name text, started_at timestamp with time zone, heartbeat_at timestamp with time zone, in_hand bigint)
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
    SELECT r.flow_instance_id, r.flow_name, r.started_at, r.heartbeat_at,
        -- Between two batches it may say 0. But a run that has nothing more to do ends.
        greatest(1, r.records_claimed - r.records_completed - r.records_retried - r.records_failed
            - r.records_snoozed - r.records_released - r.records_cancelled - r.records_refused)
    FROM public.flow_execution_logs r
    WHERE r.state IN ('running', 'stopping') AND r.records_claimed > 10000
        AND r.heartbeat_at > now() - interval '5 seconds'
$function$;
CREATE OR REPLACE FUNCTION public.caller_role()
 RETURNS name
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    SELECT coalesce(nullif(current_setting('role'), 'none'), session_user)::name
$function$;
CREATE OR REPLACE FUNCTION public.cancel_own_records(ids bigint[], reason text DEFAULT NULL::text)
 RETURNS TABLE(id bigint, what text)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    WITH live AS MATERIALIZED (
        SELECT q.id, q.status, q.flow_name FROM public.processing_queue q
        WHERE q.id = ANY($1) AND q.enqueued_by = session_user AND q.status IN ('pending', 'processing')
        ORDER BY q.id
    ), pending AS MATERIALIZED (
        SELECT q.id FROM public.processing_queue q
        WHERE q.id = ANY(ARRAY(SELECT live.id FROM live WHERE live.status = 'pending')) AND q.status = 'pending'
        ORDER BY q.id
        FOR NO KEY UPDATE SKIP LOCKED
    ), cancelled AS (
        UPDATE public.processing_queue q SET status = 'cancelled', batch_limit = NULL, updated_at = clock_timestamp()
        FROM pending WHERE q.id = pending.id
        RETURNING q.id, q.flow_name
    ), asked AS (
        INSERT INTO public.cancel_requests (record_id, requested_by, reason)
        SELECT live.id, session_user, left($2, 1000) FROM live WHERE live.id NOT IN (SELECT c.id FROM cancelled c)
        ON CONFLICT (record_id) DO NOTHING
    ), counted AS (
        INSERT INTO public.rollup_deltas (flow_name, cancelled)
        SELECT c.flow_name, count(*) FROM cancelled c GROUP BY c.flow_name
    )
    SELECT c.id, 'cancelled' FROM cancelled c
    UNION ALL SELECT live.id, 'asked' FROM live WHERE live.id NOT IN (SELECT c.id FROM cancelled c)
$function$;
CREATE OR REPLACE FUNCTION public.enqueue_or_explain(wanted_flow_name text, new_payload jsonb, new_priority smallint, due_at timestamp with time zone, delay_seconds double precision, wanted_dedup_key text, on_duplicate text, new_order_key text, new_correlation_id text, new_trace_context text, is_follow_up boolean, OUT record_id bigint, OUT what text, OUT flow_celery_queue text)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    caller name := coalesce(nullif(current_setting('role'), 'none'), session_user);  -- caller_role(), but quicker
    twin_status text;
    twin_login text;
BEGIN
    IF on_duplicate IS NULL OR on_duplicate NOT IN ('raise', 'skip', 'replace') THEN
        RAISE EXCEPTION 'on_duplicate must be raise, skip or replace' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT has_table_privilege(caller, 'public.processing_queue', 'INSERT') THEN
        PERFORM public.refuse_flows_of_others(ARRAY[wanted_flow_name]);
    END IF;
    SELECT f.celery_queue INTO flow_celery_queue FROM public.flows f WHERE f.flow_name = wanted_flow_name;
    IF NOT FOUND THEN
        what := 'unknown flow';
        RETURN;
    END IF;
    IF is_follow_up THEN
        PERFORM set_config('processing_queue.follow_up', 'on', true);
    END IF;
    LOOP
        INSERT INTO public.processing_queue (flow_name, payload, priority, scheduled_at, dedup_key, order_key,
            correlation_id, trace_context, enqueued_by)
        VALUES (wanted_flow_name, new_payload, coalesce(new_priority, 5),
            coalesce(due_at, now() + make_interval(secs => coalesce(delay_seconds, 0))),
            wanted_dedup_key, new_order_key, new_correlation_id, new_trace_context,
            -- Set by the Celery task that enqueues: the record belongs to whoever sent the message, not to the worker.
            session_user || CASE current_setting('processing_queue.by_message', true) WHEN 'on' THEN ' by message' ELSE '' END)
        ON CONFLICT (flow_name, dedup_key)
            WHERE dedup_key IS NOT NULL AND status IN ('pending', 'processing') DO NOTHING
        RETURNING id INTO record_id;
        IF FOUND THEN
            what := 'inserted';
            RETURN;
        END IF;
        SELECT q.id, q.status, q.enqueued_by INTO record_id, twin_status, twin_login FROM public.processing_queue q
        WHERE q.flow_name = wanted_flow_name AND q.dedup_key = wanted_dedup_key
            AND q.status IN ('pending', 'processing');
        CONTINUE WHEN NOT FOUND;
        IF on_duplicate <> 'replace' OR twin_status = 'processing' THEN
            what := CASE on_duplicate WHEN 'replace' THEN 'running' ELSE 'duplicate' END;
            RETURN;
        END IF;
        IF twin_login <> session_user
            AND NOT has_column_privilege(caller, 'public.processing_queue', 'payload', 'UPDATE') THEN
            RAISE EXCEPTION 'record % has this dedup_key and belongs to another login: its payload cannot be replaced', record_id
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'Only the login that enqueued a record and operators replace its payload.';
        END IF;
        -- What is not said stays. A delay of 0 is not said: code of before sends it with every record.
        UPDATE public.processing_queue q
        SET payload = new_payload, updated_at = clock_timestamp(), priority = coalesce(new_priority, q.priority),
            scheduled_at = coalesce(due_at, now() + make_interval(secs => nullif(delay_seconds, 0)), q.scheduled_at),
            order_key = coalesce(new_order_key, q.order_key),
            correlation_id = coalesce(new_correlation_id, q.correlation_id),
            trace_context = coalesce(new_trace_context, q.trace_context)
        WHERE q.id = record_id AND q.status = 'pending' AND q.dedup_key = wanted_dedup_key;
        IF FOUND THEN
            what := 'replaced';
            RETURN;
        END IF;
    END LOOP;
END $function$;
CREATE OR REPLACE FUNCTION public.enqueue_record(flow_name text, payload jsonb DEFAULT '{}'::jsonb, priority integer DEFAULT NULL::integer, scheduled_at timestamp with time zone DEFAULT NULL::timestamp with time zone, dedup_key text DEFAULT NULL::text, on_duplicate text DEFAULT 'raise'::text, order_key text DEFAULT NULL::text, correlation_id text DEFAULT NULL::text, trace_context text DEFAULT NULL::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    done record;
    problem text;
BEGIN
    IF priority NOT BETWEEN 0 AND 9 THEN
        RAISE EXCEPTION 'priority must be between 0 and 9' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM public.flows f WHERE f.flow_name = enqueue_record.flow_name AND f.declared ? 'payload_schema') THEN
        PERFORM public.refuse_flows_of_others(ARRAY[flow_name]);
        problem := public.payload_problem(flow_name, payload);
        IF problem IS NOT NULL THEN
            RAISE EXCEPTION '%', problem USING ERRCODE = 'check_violation', CONSTRAINT = 'payload_schema',
                HINT = 'queuectl schema shows what the flow takes.';
        END IF;
    END IF;
    SELECT * INTO done FROM public.enqueue_or_explain(flow_name, payload, priority::smallint, scheduled_at, NULL, dedup_key,
        on_duplicate, order_key, correlation_id, trace_context, false);
    IF done.what = 'unknown flow' THEN
        RAISE EXCEPTION 'no flow % is registered', quote_nullable(left(flow_name, 64))
            USING ERRCODE = 'PQ002', HINT = 'A flow is registered when a worker that has it starts.';
    ELSIF done.what = 'running' THEN
        RAISE EXCEPTION 'record % has this dedup_key and is running: its payload cannot be replaced', done.record_id
            USING ERRCODE = 'unique_violation';
    ELSIF done.what = 'duplicate' AND on_duplicate = 'raise' THEN
        RAISE EXCEPTION 'record % of this flow has the same dedup_key and is not finished', done.record_id
            USING ERRCODE = 'unique_violation', HINT = 'Pass on_duplicate => ''skip'' to get its id instead.';
    END IF;
    RETURN done.record_id;
END $function$;
CREATE OR REPLACE FUNCTION public.enqueue_with_task_id(wanted_flow_name text, new_payload jsonb, new_priority smallint, due_at timestamp with time zone, delay_seconds double precision, new_correlation_id text, new_trace_context text, wanted_task_id text, OUT record_id bigint, OUT what text, OUT flow_celery_queue text)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    refused_by text;
BEGIN
    IF wanted_task_id IS NULL OR length(wanted_task_id) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'a task id has 1 to 255 characters' USING ERRCODE = 'check_violation';
    END IF;
    SELECT e.record_id, e.what, e.flow_celery_queue INTO record_id, what, flow_celery_queue
    FROM public.enqueue_or_explain(wanted_flow_name, new_payload, new_priority, due_at, delay_seconds, NULL, 'raise',
        NULL, new_correlation_id, new_trace_context, false) e;
    IF what = 'inserted' THEN
        UPDATE public.processing_queue q SET task_id = wanted_task_id WHERE q.id = record_id;
    END IF;
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS refused_by = CONSTRAINT_NAME;
    IF refused_by <> 'processing_queue_task_id' THEN
        RAISE;
    END IF;
    SELECT q.id INTO record_id FROM public.processing_queue q WHERE q.task_id = wanted_task_id;
    what := 'same task id';
END $function$;
CREATE OR REPLACE FUNCTION public.is_limited_producer()
 RETURNS boolean
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    SELECT NOT has_table_privilege(public.caller_role(), 'public.processing_queue', 'INSERT')
        AND EXISTS (SELECT FROM pg_roles
            WHERE rolname = 'processing_queue_flow_producer' AND pg_has_role(public.caller_role(), oid, 'USAGE'))
        AND NOT EXISTS (SELECT FROM pg_roles
            WHERE rolname = 'processing_queue_producer' AND pg_has_role(public.caller_role(), oid, 'USAGE'))
$function$;
CREATE OR REPLACE FUNCTION public.known_flows()
 RETURNS TABLE(flow_name text, celery_queue text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    SELECT f.flow_name, f.celery_queue FROM public.flows f
    WHERE NOT (SELECT public.is_limited_producer())
        OR EXISTS (SELECT FROM public.producer_flows p WHERE p.login = session_user AND p.flow_name = f.flow_name)
$function$;
CREATE OR REPLACE FUNCTION public.own_records(ids bigint[])
 RETURNS TABLE(id bigint, flow_name text, status text, scheduled_at timestamp with time zone, created_at timestamp with time zone, completed_at timestamp with time zone, retry_count integer, error_message text, correlation_id text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    SELECT q.id, q.flow_name, q.status, q.scheduled_at, q.created_at, q.completed_at, q.retry_count, q.error_message,
        q.correlation_id
    FROM public.processing_queue q WHERE q.id = ANY($1) AND q.enqueued_by = session_user ORDER BY q.id
$function$;
CREATE OR REPLACE FUNCTION public.payload_problem(wanted_flow_name text, payload jsonb)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    SELECT public.schema_problem(CASE jsonb_typeof($2) WHEN 'object' THEN $2 - '$version' ELSE $2 END,
        s.payload_schema || jsonb_build_object('required', coalesce(s.payload_schema -> 'required', '[]') - '$version'),
        s.payload_schema, 'payload')
    FROM public.flows f, LATERAL (SELECT f.declared -> 'payload_schema') AS s(payload_schema)
    WHERE f.flow_name = $1 AND f.declared -> 'payload_version' = CASE jsonb_typeof($2)
        WHEN 'object' THEN coalesce($2 -> '$version', '1') ELSE '1' END
$function$;
CREATE OR REPLACE FUNCTION public.processing_but_of_runs(run_ids uuid[], most bigint)
 RETURNS TABLE(id bigint, flow_name text, status text, flow_instance_id uuid, claimed_at timestamp with time zone, completed_at timestamp with time zone, updated_at timestamp with time zone, claim_number integer, error_message text)
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
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
$function$;
CREATE OR REPLACE FUNCTION public.processing_counts(most bigint)
 RETURNS TABLE(flow_name text, processing bigint)
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
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
$function$;
CREATE OR REPLACE FUNCTION public.purge_audit(older_than interval, most bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    last_number bigint;
    purged_count bigint;
BEGIN
    PERFORM FROM public.audit_seal FOR NO KEY UPDATE;
    SELECT max(old.number) INTO last_number FROM (
        SELECT a.number FROM public.audit_log a
        WHERE a.number < coalesce(
            (SELECT min(young.number) FROM public.audit_log young
                WHERE young.at >= now() - greatest($1, interval '1 day')), 9223372036854775807)
        ORDER BY a.number LIMIT $2) old;
    UPDATE public.audit_seal s SET purged_number = a.number, purged_seal = a.seal
    FROM public.audit_log a WHERE a.number = last_number;
    DELETE FROM public.audit_log a WHERE a.number <= last_number;
    GET DIAGNOSTICS purged_count = ROW_COUNT;
    RETURN purged_count;
END $function$;
CREATE OR REPLACE FUNCTION public.refuse_flows_of_others(names text[])
 RETURNS void
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    refused text;
BEGIN
    IF NOT public.is_limited_producer() THEN
        RETURN;
    END IF;
    SELECT wanted INTO refused FROM unnest(names) AS wanted
    WHERE NOT EXISTS (SELECT FROM public.producer_flows p WHERE p.login = session_user AND p.flow_name = wanted)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the login % may not enqueue records of the flow %', session_user, quote_nullable(left(refused, 64))
            USING ERRCODE = 'insufficient_privilege', HINT = 'The owner of the tables adds it to producer_flows.';
    END IF;
END $function$;
CREATE OR REPLACE FUNCTION public.refuse_large_record()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    violated text := CASE WHEN pg_column_size(NEW.payload #> '{}') > 1048576
        THEN 'processing_queue_payload_check' ELSE 'processing_queue_result_check' END;
BEGIN
    RAISE EXCEPTION 'new row for relation "%" violates check constraint "%"', TG_TABLE_NAME, violated
        USING ERRCODE = 'check_violation', CONSTRAINT = violated, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA,
              HINT = 'The limit of 1 MB applies to the value before compression.';
END $function$;
CREATE OR REPLACE FUNCTION public.refuse_new_record()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    problem text := CASE
        WHEN NEW.id NOT BETWEEN 1 AND 4611686018427387904 THEN 'has an id between 1 and 2 ^ 62'
        WHEN greatest(NEW.claim_number, NEW.retry_count) > 1000000000
            OR greatest(NEW.crash_strikes, NEW.unfinished_claims) > 1000 THEN 'has counters that leave room to count on'
        WHEN current_setting('processing_queue.restoring', true) = 'on'
            AND has_table_privilege('public.processing_queue', 'TRUNCATE') THEN NULL
        WHEN NEW.status = 'processing' THEN 'is not processing: only a claim makes it so'
        WHEN NEW.status = 'pending' THEN 'that is pending was never claimed: its counters are 0, and it has no started_at, '
            'batch_limit, error_message or result'
        ELSE 'has its instants in the years from 2000 to 9998' END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'a new record %', problem
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
                  HINT = 'Leave out the columns that docs/sql-contract.md does not name.';
    END IF;
    RETURN NULL;
END $function$;
CREATE OR REPLACE FUNCTION public.refuse_other_tables(relation oid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    IF relation NOT IN ('public.processing_queue'::regclass, 'public.audit_log'::regclass,
        'public.rollup_minutes'::regclass)
    THEN
        RAISE EXCEPTION 'this function belongs to the tables of the queue, not to %', relation::regclass
            USING ERRCODE = 'insufficient_privilege', HINT = 'Write a trigger function of your own.';
    END IF;
END $function$;
CREATE OR REPLACE FUNCTION public.refuse_revival()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION '% is %, which is final', TG_TABLE_NAME, OLD.state
        USING ERRCODE = 'check_violation', HINT = 'Start a new one instead.';
END $function$;
CREATE OR REPLACE FUNCTION public.refuse_to_commit_an_open_slice()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
BEGIN
    IF current_setting('processing_queue.open_slice', true) <> '' AND current_query() ~* '\m(commit|end|prepare)\M' THEN
        RAISE EXCEPTION 'a handler must not commit the transaction that it was given'
            USING ERRCODE = 'PQ002', HINT = 'Let the handler return: its rows and its outcome are committed together.';
    END IF;
    RETURN NULL;
END $function$;
CREATE OR REPLACE FUNCTION public.refuse_transition()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION 'record %: % to % (claim_number % to %) is not a transition of processing_queue',
        OLD.id, OLD.status, NEW.status, OLD.claim_number, NEW.claim_number
        USING ERRCODE = 'check_violation',
              HINT = 'Use queuectl reset, cancel or enqueue a new record instead.';
END $function$;
CREATE OR REPLACE FUNCTION public.schema_problem(value jsonb, schema jsonb, root jsonb, place text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    kind text := jsonb_typeof(value);
    kinds text[];
    properties jsonb := coalesce(schema -> 'properties', '{}');
    alternatives jsonb := coalesce(schema -> 'anyOf', schema -> 'oneOf');
    problem text;
    problems text[] := '{}';
    name text;
    item_number integer := 0;
    inner_value jsonb;
    inner_schema jsonb;
BEGIN
    IF jsonb_typeof(schema) <> 'object' THEN
        RETURN CASE WHEN schema = 'false' THEN place || ': is not allowed' END;
    END IF;
    IF schema ? '$ref' THEN
        problem := public.schema_problem(
            value, root #> string_to_array(substr(schema ->> '$ref', 3), '/'), root, place);
        IF problem IS NOT NULL THEN
            RETURN problem;
        END IF;
    END IF;
    IF schema ? 'type' THEN
        kinds := CASE jsonb_typeof(schema -> 'type') WHEN 'array'
            THEN ARRAY(SELECT jsonb_array_elements_text(schema -> 'type')) ELSE ARRAY[schema ->> 'type'] END;
        IF kind <> ALL(kinds)
            AND NOT (kind = 'number' AND 'integer' = ANY(kinds) AND value::numeric = trunc(value::numeric)) THEN
            RETURN format('%s: must be %s, not %s', place, array_to_string(kinds, ' or '), kind);
        END IF;
    END IF;
    IF schema ? 'const' AND value <> schema -> 'const'
        OR schema ? 'enum' AND NOT schema -> 'enum' @> jsonb_build_array(value) THEN
        RETURN format('%s: must be %s', place, coalesce(schema -> 'const', schema -> 'enum'));
    END IF;
    IF jsonb_typeof(alternatives) = 'array' THEN
        FOR inner_schema IN SELECT jsonb_array_elements(alternatives) LOOP
            problem := public.schema_problem(value, inner_schema, root, place);
            EXIT WHEN problem IS NULL;
            problems := problems || problem;
        END LOOP;
        IF problem IS NOT NULL THEN
            RETURN array_to_string(problems, '; ');
        END IF;
    END IF;
    IF kind = 'array' AND schema ?| ARRAY['prefixItems', 'items'] THEN
        FOR inner_value IN SELECT jsonb_array_elements(value) LOOP
            inner_schema := coalesce(schema -> 'prefixItems' -> item_number, schema -> 'items', 'true');
            problem := public.schema_problem(inner_value, inner_schema, root, format('%s[%s]', place, item_number));
            IF problem IS NOT NULL THEN
                RETURN problem;
            END IF;
            item_number := item_number + 1;
        END LOOP;
    END IF;
    IF kind <> 'object' THEN
        RETURN NULL;
    END IF;
    SELECT r.required INTO name FROM jsonb_array_elements_text(coalesce(schema -> 'required', '[]')) AS r(required)
    WHERE NOT value ? r.required LIMIT 1;
    IF FOUND THEN
        RETURN format('%s.%s: a required field is missing', place, name);
    END IF;
    FOR name, inner_schema IN
        SELECT k.key, coalesce(properties -> k.key, schema -> 'additionalProperties', 'true')
        FROM jsonb_object_keys(value) AS k(key)
        ORDER BY coalesce(properties -> k.key ?| ARRAY['const', 'enum'], false) DESC, k.key
    LOOP
        problem := public.schema_problem(value -> name, inner_schema, root, format('%s.%s', place, name));
        IF problem IS NOT NULL THEN
            RETURN problem;
        END IF;
    END LOOP;
    RETURN NULL;
END $function$;
CREATE OR REPLACE FUNCTION public.seal_audit()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    newest public.audit_seal;
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    SELECT * INTO STRICT newest FROM public.audit_seal FOR NO KEY UPDATE;
    IF NOT pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        NEW.login := session_user;  -- the owner brings back rows of others, from a backup
    END IF;
    NEW.number := newest.number + 1;
    NEW.seal := public.seal_of(newest.seal, NEW);
    UPDATE public.audit_seal SET number = NEW.number, seal = NEW.seal;
    RETURN NEW;
END $function$;
CREATE OR REPLACE FUNCTION public.seal_audit_anew(who text, found jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    sealed public.audit_log;
    newest public.audit_seal;
BEGIN
    LOCK TABLE public.audit_log IN SHARE ROW EXCLUSIVE MODE;
    UPDATE public.audit_seal SET number = 0, seal = '', purged_number = 0, purged_seal = '' RETURNING * INTO newest;
    UPDATE public.audit_log SET number = NULL;
    FOR sealed IN SELECT * FROM public.audit_log ORDER BY id LOOP
        newest.number := newest.number + 1;
        sealed.number := newest.number;
        newest.seal := public.seal_of(newest.seal, sealed);
        UPDATE public.audit_log a SET number = newest.number, seal = newest.seal WHERE a.id = sealed.id;
    END LOOP;
    UPDATE public.audit_seal SET number = newest.number, seal = newest.seal;
    INSERT INTO public.audit_log (actor, action, target, affected_count, details)
    VALUES ($1, 'seal anew', 'audit_log', newest.number, jsonb_build_object('found', $2));
END $function$;
CREATE OR REPLACE FUNCTION public.seal_of(seal_before bytea, sealed audit_log)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    SELECT sha256($1 || convert_to(jsonb_build_array(($2).number, extract(epoch FROM ($2).at), ($2).login, ($2).actor,
        ($2).action, ($2).target, ($2).affected_count, ($2).details)::text, 'UTF8'))
$function$;
CREATE OR REPLACE FUNCTION public.sum_minutes()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    PERFORM public.refuse_other_tables(TG_RELID);
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM public.rollup_overall;
        RETURN NULL;
    END IF;
    EXECUTE format($sum$
        INSERT INTO public.rollup_overall AS o (minute, enqueued, completed, failed, retried, cancelled,
            processing_histogram, wait_histogram)
        SELECT minute, sum(sign * enqueued), sum(sign * completed), sum(sign * failed), sum(sign * retried),
            sum(sign * cancelled),
            CASE WHEN sum(cardinality(p)) > 0 THEN array_replace(ARRAY[
                    sum(sign * p[1]), sum(sign * p[2]), sum(sign * p[3]), sum(sign * p[4]), sum(sign * p[5]), sum(sign * p[6]),
                    sum(sign * p[7]), sum(sign * p[8]), sum(sign * p[9]), sum(sign * p[10]), sum(sign * p[11]), sum(sign * p[12]),
                    sum(sign * p[13]), sum(sign * p[14]), sum(sign * p[15]), sum(sign * p[16]), sum(sign * p[17]), sum(sign * p[18])
                ]::bigint[], NULL, 0) ELSE '{}' END,
            CASE WHEN sum(cardinality(w)) > 0 THEN array_replace(ARRAY[
                    sum(sign * w[1]), sum(sign * w[2]), sum(sign * w[3]), sum(sign * w[4]), sum(sign * w[5]), sum(sign * w[6]),
                    sum(sign * w[7]), sum(sign * w[8]), sum(sign * w[9]), sum(sign * w[10]), sum(sign * w[11]), sum(sign * w[12]),
                    sum(sign * w[13]), sum(sign * w[14]), sum(sign * w[15]), sum(sign * w[16]), sum(sign * w[17]), sum(sign * w[18])
                ]::bigint[], NULL, 0) ELSE '{}' END
        FROM (
            SELECT *, processing_histogram AS p, wait_histogram AS w FROM (%s) changed) named
        GROUP BY minute ORDER BY minute
        ON CONFLICT (minute) DO UPDATE SET enqueued = o.enqueued + excluded.enqueued,
            completed = o.completed + excluded.completed, failed = o.failed + excluded.failed,
            retried = o.retried + excluded.retried, cancelled = o.cancelled + excluded.cancelled,
            processing_histogram = public.add_histograms(o.processing_histogram, excluded.processing_histogram),
            wait_histogram = public.add_histograms(o.wait_histogram, excluded.wait_histogram)
        $sum$, CASE TG_OP WHEN 'INSERT' THEN 'SELECT 1 AS sign, * FROM inserted'
            WHEN 'DELETE' THEN 'SELECT -1 AS sign, * FROM deleted'
            ELSE 'SELECT 1 AS sign, * FROM inserted UNION ALL SELECT -1, * FROM deleted' END);
    IF TG_OP = 'DELETE' THEN
        DELETE FROM public.rollup_overall o WHERE o.minute IN (SELECT minute FROM deleted)
            AND NOT EXISTS (SELECT FROM public.rollup_minutes m WHERE m.minute = o.minute);
    END IF;
    RETURN NULL;
END $function$;
CREATE OR REPLACE FUNCTION public.unindexed(value text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (value || ''::text);
CREATE AGGREGATE sum_histograms(bigint[]) (SFUNC = add_histograms, STYPE = bigint[], INITCOND = '{}', PARALLEL = UNSAFE);

-- Views
CREATE VIEW running_keys WITH (security_invoker=true) AS
 SELECT flow_name,
    order_key
   FROM processing_queue running
  WHERE ((order_key IS NOT NULL) AND (unindexed(status) = 'processing'::text));
CREATE VIEW unblocked_records WITH (security_invoker=true) AS
 SELECT id,
    flow_name,
    status,
    priority,
    scheduled_at,
    batch_limit
   FROM processing_queue q
  WHERE ((claim_number < 2147483647) AND ((order_key IS NULL) OR ((NOT (EXISTS ( SELECT
           FROM processing_queue earlier
          WHERE (((earlier.flow_name)::text = (q.flow_name)::text) AND (earlier.order_key = q.order_key) AND (earlier.id < q.id) AND blocks_key(earlier.status, ( SELECT f.failure_blocks_key
                   FROM flows f
                  WHERE ((f.flow_name)::text = (q.flow_name)::text))))))) AND (NOT (EXISTS ( SELECT
           FROM running_keys running
          WHERE (((running.flow_name)::text = (q.flow_name)::text) AND (running.order_key = q.order_key))
         OFFSET 0))))));

-- Indexes, except those of constraints
CREATE INDEX alert_notices_unsent ON public.alert_notices USING btree (id) WHERE ((sent_at IS NULL) AND (dropped_at IS NULL));
CREATE UNIQUE INDEX alerts_live ON public.alerts USING btree (alert_key) WHERE (resolved_at IS NULL);
CREATE INDEX alerts_resolved ON public.alerts USING btree (resolved_at) WHERE (resolved_at IS NOT NULL);
CREATE INDEX audit_log_at ON public.audit_log USING btree (at);
CREATE UNIQUE INDEX audit_log_number ON public.audit_log USING btree (number);
CREATE INDEX connection_checks_at ON public.connection_checks USING btree (at);
CREATE INDEX flow_execution_logs_alive ON public.flow_execution_logs USING btree (flow_name) WHERE (state = ANY (ARRAY['running'::text, 'stopping'::text]));
CREATE INDEX flow_execution_logs_dead ON public.flow_execution_logs USING btree (flow_name, finished_at) WHERE (state = 'dead'::text);
CREATE INDEX flow_execution_logs_finished ON public.flow_execution_logs USING btree (finished_at) WHERE (finished_at IS NOT NULL);
CREATE INDEX flow_execution_logs_process ON public.flow_execution_logs USING btree (worker_process_id, started_at);
CREATE INDEX flow_execution_logs_unsettled ON public.flow_execution_logs USING btree (finished_at) WHERE ((state = ANY (ARRAY['ended'::text, 'dead'::text])) AND (settled_at IS NULL));
CREATE UNIQUE INDEX maintenance_runs_alone ON public.maintenance_runs USING btree (operation) WHERE ((state = 'running'::text) AND (NOT dry_run));
CREATE INDEX maintenance_runs_started ON public.maintenance_runs USING btree (started_at);
CREATE INDEX processed_surveys_respondent ON public.processed_surveys USING btree (respondent_id);
CREATE UNIQUE INDEX processing_queue_dedup ON public.processing_queue USING btree (flow_name, dedup_key) WHERE ((dedup_key IS NOT NULL) AND (status = ANY (ARRAY['pending'::text, 'processing'::text])));
CREATE INDEX processing_queue_failed ON public.processing_queue USING btree (flow_name, updated_at, id) WHERE (status = 'failed'::text);
CREATE INDEX processing_queue_isolated ON public.processing_queue USING btree (flow_name, batch_limit, id) WHERE ((batch_limit IS NOT NULL) AND (status = ANY (ARRAY['pending'::text, 'processing'::text])));
CREATE INDEX processing_queue_order ON public.processing_queue USING btree (flow_name, order_key, id) WHERE ((order_key IS NOT NULL) AND (status = ANY (ARRAY['pending'::text, 'processing'::text, 'failed'::text])));
CREATE INDEX processing_queue_pending ON public.processing_queue USING btree (flow_name, priority, scheduled_at, id) WHERE (status = 'pending'::text);
CREATE INDEX processing_queue_processing ON public.processing_queue USING btree (flow_instance_id, id) WHERE (status = 'processing'::text);
CREATE UNIQUE INDEX processing_queue_running_key ON public.processing_queue USING btree (flow_name, order_key) WHERE ((order_key IS NOT NULL) AND ((status || ''::text) = 'processing'::text));
CREATE UNIQUE INDEX processing_queue_task_id ON public.processing_queue USING btree (task_id) WHERE (task_id IS NOT NULL);
CREATE INDEX record_attempts_finished ON public.record_attempts USING btree (finished_at);
CREATE INDEX record_attempts_group ON public.record_attempts USING btree (flow_name, error_group, finished_at);
CREATE INDEX record_attempts_run ON public.record_attempts USING btree (flow_instance_id);
CREATE UNIQUE INDEX schedule_occurrences_alone ON public.schedule_occurrences USING btree (entry) WHERE (state = 'running'::text);
CREATE INDEX schedule_occurrences_open ON public.schedule_occurrences USING btree (due_at) WHERE (state = ANY (ARRAY['due'::text, 'running'::text]));
CREATE INDEX worker_processes_alive ON public.worker_processes USING btree (heartbeat_at) WHERE (state = ANY (ARRAY['running'::text, 'stopping'::text]));

-- Triggers
CREATE TRIGGER seal_audit BEFORE INSERT ON public.audit_log FOR EACH ROW EXECUTE FUNCTION seal_audit();
CREATE TRIGGER dead_is_final AFTER UPDATE ON public.flow_execution_logs FOR EACH ROW WHEN (((old.state = ANY (ARRAY['dead'::text, 'ended'::text])) AND (new.state <> old.state))) EXECUTE FUNCTION refuse_revival();
CREATE CONSTRAINT TRIGGER refuse_to_commit_an_open_slice AFTER INSERT ON public.open_slices DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_to_commit_an_open_slice();
CREATE TRIGGER account_for_delete AFTER DELETE ON public.processing_queue REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION account_for_delete();
CREATE TRIGGER account_for_insert AFTER INSERT ON public.processing_queue REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION account_for_insert();
CREATE TRIGGER account_for_truncate AFTER TRUNCATE ON public.processing_queue FOR EACH STATEMENT EXECUTE FUNCTION account_for_truncate();
CREATE TRIGGER only_known_transitions AFTER UPDATE ON public.processing_queue FOR EACH ROW WHEN (((new.claim_number <> (old.claim_number + (((old.status = 'pending'::text) AND (new.status = ANY (ARRAY['processing'::text, 'completed'::text]))))::integer)) OR ((old.status = 'processing'::text) AND (new.status = 'processing'::text) AND (new.flow_instance_id <> old.flow_instance_id)) OR ((new.status <> old.status) AND (NOT (((old.status = 'pending'::text) AND (new.status = ANY (ARRAY['processing'::text, 'completed'::text, 'cancelled'::text]))) OR (old.status = 'processing'::text) OR ((old.status = 'failed'::text) AND (new.status = 'pending'::text))))))) EXECUTE FUNCTION refuse_transition();
CREATE TRIGGER processing_queue_large_record AFTER INSERT OR UPDATE OF payload ON public.processing_queue FOR EACH ROW WHEN ((((pg_column_size(new.payload) > 4096) AND (pg_column_size((new.payload #> '{}'::text[])) > 1048576)) OR ((pg_column_size(new.result) > 4096) AND (pg_column_size((new.result #> '{}'::text[])) > 1048576)))) EXECUTE FUNCTION refuse_large_record();
CREATE TRIGGER processing_queue_new_record AFTER INSERT ON public.processing_queue FOR EACH ROW WHEN ((((new.status <> 'pending'::text) AND ((new.status = 'processing'::text) OR (new.claim_number > 1000000000) OR (new.retry_count > 1000000000) OR (new.crash_strikes > 1000) OR (new.unfinished_claims > 1000) OR (new.claimed_at < '2000-01-01 00:00:00+00'::timestamp with time zone) OR (new.claimed_at >= '9999-01-01 00:00:00+00'::timestamp with time zone) OR (new.started_at < '2000-01-01 00:00:00+00'::timestamp with time zone) OR (new.started_at >= '9999-01-01 00:00:00+00'::timestamp with time zone) OR (new.completed_at < '2000-01-01 00:00:00+00'::timestamp with time zone) OR (new.completed_at >= '9999-01-01 00:00:00+00'::timestamp with time zone))) OR ((new.status = 'pending'::text) AND ((new.claim_number <> 0) OR (new.retry_count <> 0) OR (new.crash_strikes <> 0) OR (new.unfinished_claims <> 0) OR (new.batch_limit IS NOT NULL) OR (new.started_at IS NOT NULL) OR (new.error_message IS NOT NULL) OR (new.result IS NOT NULL))) OR (new.id < 1) OR (new.id > '4611686018427387904'::bigint))) EXECUTE FUNCTION refuse_new_record();
CREATE TRIGGER account_for_attempts AFTER INSERT ON public.record_attempts REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT WHEN ((current_setting('processing_queue.restoring'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION account_for_attempts();
CREATE TRIGGER sum_deleted_minutes AFTER DELETE ON public.rollup_minutes REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION sum_minutes();
CREATE TRIGGER sum_inserted_minutes AFTER INSERT ON public.rollup_minutes REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION sum_minutes();
CREATE TRIGGER sum_truncated_minutes AFTER TRUNCATE ON public.rollup_minutes FOR EACH STATEMENT EXECUTE FUNCTION sum_minutes();
CREATE TRIGGER sum_updated_minutes AFTER UPDATE ON public.rollup_minutes REFERENCING OLD TABLE AS deleted NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION sum_minutes();
CREATE TRIGGER dead_is_final AFTER UPDATE ON public.worker_processes FOR EACH ROW WHEN (((old.state = ANY (ARRAY['dead'::text, 'ended'::text])) AND (new.state <> old.state))) EXECUTE FUNCTION refuse_revival();

-- Comments, except that of schema_version, in which `migrate` keeps a mark
COMMENT ON COLUMN public.processing_queue.unfinished_claims IS 'Claims in a row that ended without an outcome, while the server was the same one. Any outcome sets it to 0.';

-- What PUBLIC may not execute
REVOKE ALL ON FUNCTION account_for_delete() FROM PUBLIC;
REVOKE ALL ON FUNCTION account_for_insert() FROM PUBLIC;
REVOKE ALL ON FUNCTION account_for_truncate() FROM PUBLIC;
REVOKE ALL ON FUNCTION cancel_own_records(bigint[],text) FROM PUBLIC;
REVOKE ALL ON FUNCTION enqueue_or_explain(text,jsonb,smallint,timestamp with time zone,double precision,text,text,text,text,text,boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION enqueue_record(text,jsonb,integer,timestamp with time zone,text,text,text,text,text) FROM PUBLIC;
REVOKE ALL ON FUNCTION enqueue_with_task_id(text,jsonb,smallint,timestamp with time zone,double precision,text,text,text) FROM PUBLIC;
REVOKE ALL ON FUNCTION is_limited_producer() FROM PUBLIC;
REVOKE ALL ON FUNCTION known_flows() FROM PUBLIC;
REVOKE ALL ON FUNCTION own_records(bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION purge_audit(interval,bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION refuse_flows_of_others(text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION seal_audit() FROM PUBLIC;
REVOKE ALL ON FUNCTION seal_audit_anew(text,jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION sum_minutes() FROM PUBLIC;

-- Rights on the schema, tables, views, sequences, columns, functions and types, without MAINTAIN, which is new in Postgres 17.
GRANT USAGE ON SCHEMA public TO processing_queue_admin;
GRANT USAGE ON SCHEMA public TO processing_queue_flow_producer;
GRANT USAGE ON SCHEMA public TO processing_queue_monitor;
GRANT USAGE ON SCHEMA public TO processing_queue_producer;
GRANT USAGE ON SCHEMA public TO processing_queue_worker;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE alert_notices_id_seq TO processing_queue_admin;
GRANT SELECT ON SEQUENCE alert_notices_id_seq TO processing_queue_monitor;
GRANT USAGE ON SEQUENCE alert_notices_id_seq TO processing_queue_worker;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE alerts_id_seq TO processing_queue_admin;
GRANT SELECT ON SEQUENCE alerts_id_seq TO processing_queue_monitor;
GRANT USAGE ON SEQUENCE alerts_id_seq TO processing_queue_worker;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE audit_log_id_seq TO processing_queue_admin;
GRANT SELECT ON SEQUENCE audit_log_id_seq TO processing_queue_monitor;
GRANT USAGE ON SEQUENCE audit_log_id_seq TO processing_queue_worker;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE connection_checks_id_seq TO processing_queue_admin;
GRANT SELECT ON SEQUENCE connection_checks_id_seq TO processing_queue_monitor;
GRANT USAGE ON SEQUENCE connection_checks_id_seq TO processing_queue_worker;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE maintenance_runs_id_seq TO processing_queue_admin;
GRANT SELECT ON SEQUENCE maintenance_runs_id_seq TO processing_queue_monitor;
GRANT USAGE ON SEQUENCE maintenance_runs_id_seq TO processing_queue_worker;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE processed_surveys_id_seq TO processing_queue_admin;
GRANT SELECT ON SEQUENCE processed_surveys_id_seq TO processing_queue_monitor;
GRANT USAGE ON SEQUENCE processed_surveys_id_seq TO processing_queue_worker;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE processing_queue_id_seq TO processing_queue_admin;
GRANT SELECT ON SEQUENCE processing_queue_id_seq TO processing_queue_monitor;
GRANT USAGE ON SEQUENCE processing_queue_id_seq TO processing_queue_worker;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE rollup_deltas_id_seq TO processing_queue_admin;
GRANT SELECT ON SEQUENCE rollup_deltas_id_seq TO processing_queue_monitor;
GRANT USAGE ON SEQUENCE rollup_deltas_id_seq TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE alert_contacts TO processing_queue_admin;
GRANT SELECT ON TABLE alert_contacts TO processing_queue_monitor;
GRANT SELECT ON TABLE alert_contacts TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE alert_notices TO processing_queue_admin;
GRANT SELECT ON TABLE alert_notices TO processing_queue_monitor;
GRANT SELECT ON TABLE alert_notices TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE alerts TO processing_queue_admin;
GRANT SELECT ON TABLE alerts TO processing_queue_monitor;
GRANT SELECT ON TABLE alerts TO processing_queue_worker;
GRANT INSERT, SELECT ON TABLE audit_log TO processing_queue_admin;
GRANT SELECT ON TABLE audit_log TO processing_queue_monitor;
GRANT SELECT ON TABLE audit_log TO processing_queue_worker;
GRANT SELECT ON TABLE audit_seal TO processing_queue_admin;
GRANT SELECT ON TABLE audit_seal TO processing_queue_monitor;
GRANT SELECT ON TABLE audit_seal TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE baselines TO processing_queue_admin;
GRANT SELECT ON TABLE baselines TO processing_queue_monitor;
GRANT SELECT ON TABLE baselines TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE beat_leader TO processing_queue_admin;
GRANT SELECT ON TABLE beat_leader TO processing_queue_monitor;
GRANT SELECT ON TABLE beat_leader TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE beats TO processing_queue_admin;
GRANT SELECT ON TABLE beats TO processing_queue_monitor;
GRANT SELECT ON TABLE beats TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE cancel_requests TO processing_queue_admin;
GRANT SELECT ON TABLE cancel_requests TO processing_queue_monitor;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE cancel_requests TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE connection_checks TO processing_queue_admin;
GRANT SELECT ON TABLE connection_checks TO processing_queue_monitor;
GRANT SELECT ON TABLE connection_checks TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE depth_minutes TO processing_queue_admin;
GRANT SELECT ON TABLE depth_minutes TO processing_queue_monitor;
GRANT INSERT, SELECT, UPDATE ON TABLE depth_minutes TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE error_hours TO processing_queue_admin;
GRANT SELECT ON TABLE error_hours TO processing_queue_monitor;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE error_hours TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE flow_execution_logs TO processing_queue_admin;
GRANT SELECT ON TABLE flow_execution_logs TO processing_queue_monitor;
GRANT INSERT, SELECT, UPDATE ON TABLE flow_execution_logs TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE flows TO processing_queue_admin;
GRANT SELECT ON TABLE flows TO processing_queue_monitor;
GRANT INSERT, SELECT, UPDATE ON TABLE flows TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE maintenance_runs TO processing_queue_admin;
GRANT SELECT ON TABLE maintenance_runs TO processing_queue_monitor;
GRANT SELECT ON TABLE maintenance_runs TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE open_slices TO processing_queue_admin;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE open_slices TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE processed_surveys TO processing_queue_admin;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE processed_surveys TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE processing_queue TO processing_queue_admin;
GRANT INSERT, SELECT ON TABLE processing_queue TO processing_queue_worker;
GRANT SELECT ON TABLE producer_flows TO processing_queue_admin;
GRANT SELECT ON TABLE producer_flows TO processing_queue_monitor;
GRANT SELECT ON TABLE producer_flows TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE queue_control TO processing_queue_admin;
GRANT SELECT ON TABLE queue_control TO processing_queue_monitor;
GRANT SELECT ON TABLE queue_control TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE record_attempts TO processing_queue_admin;
GRANT SELECT ON TABLE record_attempts TO processing_queue_monitor;
GRANT INSERT, SELECT, UPDATE ON TABLE record_attempts TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE record_progress TO processing_queue_admin;
GRANT SELECT ON TABLE record_progress TO processing_queue_monitor;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE record_progress TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE rollup_deltas TO processing_queue_admin;
GRANT SELECT ON TABLE rollup_deltas TO processing_queue_monitor;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE rollup_deltas TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE rollup_hours TO processing_queue_admin;
GRANT SELECT ON TABLE rollup_hours TO processing_queue_monitor;
GRANT INSERT, SELECT, UPDATE ON TABLE rollup_hours TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE rollup_minutes TO processing_queue_admin;
GRANT SELECT ON TABLE rollup_minutes TO processing_queue_monitor;
GRANT INSERT, SELECT, UPDATE ON TABLE rollup_minutes TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE rollup_overall TO processing_queue_admin;
GRANT SELECT ON TABLE rollup_overall TO processing_queue_monitor;
GRANT SELECT ON TABLE rollup_overall TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE rollup_progress TO processing_queue_admin;
GRANT SELECT ON TABLE rollup_progress TO processing_queue_monitor;
GRANT INSERT, SELECT, UPDATE ON TABLE rollup_progress TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE rollup_totals TO processing_queue_admin;
GRANT SELECT ON TABLE rollup_totals TO processing_queue_monitor;
GRANT INSERT, SELECT, UPDATE ON TABLE rollup_totals TO processing_queue_worker;
GRANT SELECT ON TABLE running_keys TO processing_queue_admin;
GRANT SELECT ON TABLE running_keys TO processing_queue_monitor;
GRANT SELECT ON TABLE running_keys TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE schedule_occurrences TO processing_queue_admin;
GRANT SELECT ON TABLE schedule_occurrences TO processing_queue_monitor;
GRANT INSERT, SELECT, UPDATE ON TABLE schedule_occurrences TO processing_queue_worker;
GRANT SELECT ON TABLE schema_version TO processing_queue_admin;
GRANT SELECT ON TABLE schema_version TO processing_queue_monitor;
GRANT SELECT ON TABLE schema_version TO processing_queue_worker;
GRANT SELECT ON TABLE unblocked_records TO processing_queue_admin;
GRANT SELECT ON TABLE unblocked_records TO processing_queue_monitor;
GRANT SELECT ON TABLE unblocked_records TO processing_queue_worker;
GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON TABLE worker_processes TO processing_queue_admin;
GRANT SELECT ON TABLE worker_processes TO processing_queue_monitor;
GRANT INSERT, SELECT, UPDATE ON TABLE worker_processes TO processing_queue_worker;
GRANT INSERT (scheduled_at, priority, flow_name, payload, dedup_key, order_key, correlation_id, trace_context) ON TABLE processing_queue TO processing_queue_flow_producer;
GRANT SELECT (id, scheduled_at, created_at, updated_at, claimed_at, started_at, completed_at, flow_instance_id, claim_number, retry_count, priority, crash_strikes, batch_limit, flow_name, status, dedup_key, order_key, correlation_id, trace_context, error_message, enqueued_by, unfinished_claims, task_id) ON TABLE processing_queue TO processing_queue_monitor;
GRANT INSERT (scheduled_at, priority, flow_name, payload, dedup_key, order_key, correlation_id, trace_context) ON TABLE processing_queue TO processing_queue_producer;
GRANT UPDATE (scheduled_at, updated_at, claimed_at, started_at, completed_at, flow_instance_id, claim_number, retry_count, crash_strikes, batch_limit, status, error_message, result, unfinished_claims) ON TABLE processing_queue TO processing_queue_worker;
GRANT UPDATE (id) ON TABLE unblocked_records TO processing_queue_admin;
GRANT UPDATE (id) ON TABLE unblocked_records TO processing_queue_worker;
GRANT EXECUTE ON FUNCTION blocks_key(text,boolean) TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION blocks_key(text,boolean) TO processing_queue_monitor;
GRANT EXECUTE ON FUNCTION blocks_key(text,boolean) TO processing_queue_worker;
GRANT EXECUTE ON FUNCTION busy_runs() TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION busy_runs() TO processing_queue_monitor;
GRANT EXECUTE ON FUNCTION busy_runs() TO processing_queue_worker;
GRANT EXECUTE ON FUNCTION cancel_own_records(bigint[],text) TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION cancel_own_records(bigint[],text) TO processing_queue_flow_producer;
GRANT EXECUTE ON FUNCTION cancel_own_records(bigint[],text) TO processing_queue_producer;
GRANT EXECUTE ON FUNCTION cancel_own_records(bigint[],text) TO processing_queue_worker;
GRANT EXECUTE ON FUNCTION enqueue_or_explain(text,jsonb,smallint,timestamp with time zone,double precision,text,text,text,text,text,boolean) TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION enqueue_or_explain(text,jsonb,smallint,timestamp with time zone,double precision,text,text,text,text,text,boolean) TO processing_queue_flow_producer;
GRANT EXECUTE ON FUNCTION enqueue_or_explain(text,jsonb,smallint,timestamp with time zone,double precision,text,text,text,text,text,boolean) TO processing_queue_producer;
GRANT EXECUTE ON FUNCTION enqueue_or_explain(text,jsonb,smallint,timestamp with time zone,double precision,text,text,text,text,text,boolean) TO processing_queue_worker;
GRANT EXECUTE ON FUNCTION enqueue_record(text,jsonb,integer,timestamp with time zone,text,text,text,text,text) TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION enqueue_record(text,jsonb,integer,timestamp with time zone,text,text,text,text,text) TO processing_queue_flow_producer;
GRANT EXECUTE ON FUNCTION enqueue_record(text,jsonb,integer,timestamp with time zone,text,text,text,text,text) TO processing_queue_producer;
GRANT EXECUTE ON FUNCTION enqueue_record(text,jsonb,integer,timestamp with time zone,text,text,text,text,text) TO processing_queue_worker;
GRANT EXECUTE ON FUNCTION enqueue_with_task_id(text,jsonb,smallint,timestamp with time zone,double precision,text,text,text) TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION enqueue_with_task_id(text,jsonb,smallint,timestamp with time zone,double precision,text,text,text) TO processing_queue_flow_producer;
GRANT EXECUTE ON FUNCTION enqueue_with_task_id(text,jsonb,smallint,timestamp with time zone,double precision,text,text,text) TO processing_queue_producer;
GRANT EXECUTE ON FUNCTION enqueue_with_task_id(text,jsonb,smallint,timestamp with time zone,double precision,text,text,text) TO processing_queue_worker;
GRANT EXECUTE ON FUNCTION known_flows() TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION known_flows() TO processing_queue_flow_producer;
GRANT EXECUTE ON FUNCTION known_flows() TO processing_queue_monitor;
GRANT EXECUTE ON FUNCTION known_flows() TO processing_queue_producer;
GRANT EXECUTE ON FUNCTION known_flows() TO processing_queue_worker;
GRANT EXECUTE ON FUNCTION own_records(bigint[]) TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION own_records(bigint[]) TO processing_queue_flow_producer;
GRANT EXECUTE ON FUNCTION own_records(bigint[]) TO processing_queue_producer;
GRANT EXECUTE ON FUNCTION own_records(bigint[]) TO processing_queue_worker;
GRANT EXECUTE ON FUNCTION processing_but_of_runs(uuid[],bigint) TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION processing_but_of_runs(uuid[],bigint) TO processing_queue_monitor;
GRANT EXECUTE ON FUNCTION processing_but_of_runs(uuid[],bigint) TO processing_queue_worker;
GRANT EXECUTE ON FUNCTION processing_counts(bigint) TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION processing_counts(bigint) TO processing_queue_monitor;
GRANT EXECUTE ON FUNCTION processing_counts(bigint) TO processing_queue_worker;
GRANT EXECUTE ON FUNCTION purge_audit(interval,bigint) TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION seal_audit_anew(text,jsonb) TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION seal_of(bytea,audit_log) TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION seal_of(bytea,audit_log) TO processing_queue_monitor;
GRANT EXECUTE ON FUNCTION seal_of(bytea,audit_log) TO processing_queue_worker;
GRANT EXECUTE ON FUNCTION unindexed(text) TO processing_queue_admin;
GRANT EXECUTE ON FUNCTION unindexed(text) TO processing_queue_monitor;
GRANT EXECUTE ON FUNCTION unindexed(text) TO processing_queue_worker;

-- Rows
INSERT INTO audit_seal (only_row, number, seal, purged_number, purged_seal) VALUES ('true', '0', E'\\x', '0', E'\\x');
INSERT INTO beat_leader (only_row, beat_id, leads_until, watcher_id, watches_until) VALUES ('true', NULL, '2000-01-01 00:00:00+00', NULL, '2000-01-01 00:00:00+00');
INSERT INTO queue_control (only_row, processing_stopped_at, processing_stop_reason, ingestion_stopped_at, ingestion_stop_reason) VALUES ('true', NULL, NULL, NULL, NULL);
INSERT INTO rollup_progress (only_row, folded_through_id, candidate_id, candidate_transaction, folded_at, recounted_at) VALUES ('true', '0', '0', NULL, NULL, NULL);
