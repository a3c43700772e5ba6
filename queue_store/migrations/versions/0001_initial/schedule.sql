-- When something is due, and who sees to it.

-- The schedule: each time that an entry is due is one row, whoever noticed it first.
CREATE TABLE schedule_occurrences (
    entry                     text NOT NULL CHECK (entry <> ''),
    due_at                    timestamptz NOT NULL,
    state                     text NOT NULL DEFAULT 'due'
                              CHECK (state IN ('due', 'running', 'finished', 'failed', 'skipped')),
    noticed_at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    hinted_at                 timestamptz,
    taken_at                  timestamptz,
    heartbeat_at              timestamptz,
    take_number               integer NOT NULL DEFAULT 0,
    -- Takes that had to wait for the same maintenance: they are no tries.
    excused_count             integer NOT NULL DEFAULT 0,
    finished_at               timestamptz,
    error_message             text,
    PRIMARY KEY (entry, due_at)
);
CREATE UNIQUE INDEX schedule_occurrences_alone ON schedule_occurrences (entry) WHERE state = 'running';
CREATE INDEX schedule_occurrences_open ON schedule_occurrences (due_at) WHERE state IN ('due', 'running');

-- The beats that are there. The lease only saves noise: what is due is decided by the occurrences.
CREATE TABLE beats (
    beat_id                   uuid PRIMARY KEY,
    hostname                  text NOT NULL,
    pid                       integer NOT NULL,
    started_at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When it last hinted each entry that comes every few seconds; those of the clock are occurrences.
    ticks                     jsonb NOT NULL DEFAULT '{}',
    -- A beat that stopped in order stays known, so that nobody says that none has ever run.
    stopped_at                timestamptz
);
CREATE TABLE beat_leader (
    only_row                  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    beat_id                   uuid,
    leads_until               timestamptz NOT NULL DEFAULT '2000-01-01',
    -- The worker process that judges the queue and looks after what was left behind, whether beat runs or not.
    watcher_id                uuid,
    watches_until             timestamptz NOT NULL DEFAULT '2000-01-01'
);
INSERT INTO beat_leader DEFAULT VALUES;

-- Maintenance that runs or ran. Two of one operation cannot run at the same time; each chunk of work renews the
-- heartbeat of its row first and stops when the row is no longer running.
CREATE TABLE maintenance_runs (
    id                        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation                 text NOT NULL,
    state                     text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'finished', 'failed', 'abandoned')),
    dry_run                   boolean NOT NULL,
    actor                     text NOT NULL,
    started_at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at               timestamptz,
    affected_count            bigint NOT NULL DEFAULT 0,
    parameters                jsonb NOT NULL DEFAULT '{}',
    result                    jsonb,
    error_message             text,
    CHECK ((finished_at IS NULL) = (state = 'running'))
);
CREATE UNIQUE INDEX maintenance_runs_alone ON maintenance_runs (operation) WHERE state = 'running' AND NOT dry_run;
CREATE INDEX maintenance_runs_started ON maintenance_runs (started_at);
