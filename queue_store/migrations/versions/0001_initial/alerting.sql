-- Alerts, the notifications about them, their contacts, baselines and connection checks.

-- Holds one row for each alert. An alert is open from the judgement that first sees its finding until a judgement no
-- longer sees the finding. At most one alert of a key is open.
CREATE TABLE alerts (
    id                        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_key                 text NOT NULL CHECK (alert_key <> ''),
    code                      text NOT NULL,
    flow_name                 text,
    level                     text NOT NULL CHECK (level IN ('warning', 'critical', 'emergency')),
    message                   text NOT NULL,
    next_step                 text NOT NULL,
    figure                    double precision,
    threshold                 double precision,
    opened_at                 timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When the alert reached its present level. Escalation is timed from here. After a rise that sends no notification,
    -- this is `raised_at`.
    level_since               timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The time and level of the last rise that sent notifications. The opening counts as a rise. Soon after it,
    -- only a rise above `raised_level` sends notifications. The level may have fallen in between.
    raised_at                 timestamptz NOT NULL DEFAULT clock_timestamp(),
    raised_level              text NOT NULL,
    rise_count                integer NOT NULL DEFAULT 0 CHECK (rise_count >= 0),
    last_seen_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_count                integer NOT NULL DEFAULT 1 CHECK (seen_count > 0),
    escalation_step           integer NOT NULL DEFAULT 0 CHECK (escalation_step >= 0),
    escalated_at              timestamptz,
    acknowledged_at           timestamptz,
    acknowledged_by           text,
    resolved_at               timestamptz,
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);
CREATE UNIQUE INDEX alerts_live ON alerts (alert_key) WHERE resolved_at IS NULL;
CREATE INDEX alerts_resolved ON alerts (resolved_at) WHERE resolved_at IS NOT NULL;

-- Notifications: one row for each change of an alert and each contact. The UNIQUE constraint keeps a change from being
-- stored twice for a contact.
CREATE TABLE alert_notices (
    id                        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id                  bigint NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    change                    text NOT NULL CHECK (change IN ('opened', 'raised', 'escalated', 'resolved')),
    level                     text NOT NULL,
    rise_count                integer NOT NULL,
    escalation_step           integer NOT NULL,
    contact                   text NOT NULL,
    created_at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    taken_at                  timestamptz,
    try_count                 integer NOT NULL DEFAULT 0,
    sent_at                   timestamptz,
    -- Set if the alert was resolved before this notification was sent.
    dropped_at                timestamptz,
    error_message             text,
    UNIQUE (alert_id, change, level, rise_count, escalation_step, contact)
);
CREATE INDEX alert_notices_unsent ON alert_notices (id) WHERE sent_at IS NULL AND dropped_at IS NULL;

-- Contacts to which at least one process has a channel, by kind of process. The table holds only names: an address is a
-- secret, and stays in the settings of the processes. `hostname` and `pid` name the process that updated the row last.
CREATE TABLE alert_contacts (
    contact                   text NOT NULL CHECK (contact ~ '^[a-z_]{1,40}$'),
    process_kind              text NOT NULL,
    hostname                  text NOT NULL,
    pid                       integer NOT NULL,
    registered_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (contact, process_kind)
) WITH (fillfactor = 50);

-- Baselines: what counts/renew_baselines.sql has found to be usual for a flow, for each hour of the week (0 begins on
-- Monday at 00:00 UTC).
CREATE TABLE baselines (
    flow_name                 text NOT NULL,
    hour_of_week              smallint NOT NULL CHECK (hour_of_week BETWEEN 0 AND 167),
    outcomes_per_hour         double precision NOT NULL,
    success_rate_percent      double precision,
    processing_seconds        double precision,
    week_count                integer NOT NULL CHECK (week_count > 0),
    updated_at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (flow_name, hour_of_week)
);

-- Connection checks: the number of attempts that a check made to reach the database, and how many of them succeeded.
-- The next successful check also stores the failed checks before it. The `at` of these failed checks is the time of
-- that successful check.
CREATE TABLE connection_checks (
    id                        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at                        timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempt_count             integer NOT NULL CHECK (attempt_count > 0),
    success_count             integer NOT NULL CHECK (success_count BETWEEN 0 AND attempt_count),
    response_time_ms          double precision
);
CREATE INDEX connection_checks_at ON connection_checks (at);
