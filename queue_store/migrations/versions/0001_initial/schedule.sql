-- The schedule's occurrences, the beats, the leases of the beats and of the sentinel, and maintenance runs.

-- Holds one row for each occurrence of a schedule entry, even if several processes notice the occurrence.
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
    -- The number of executions that ended at once because the same maintenance was already running. They do not count
    -- as tries.
    excused_count             integer NOT NULL DEFAULT 0,
    finished_at               timestamptz,
    error_message             text,
    PRIMARY KEY (entry, due_at)
);
CREATE UNIQUE INDEX schedule_occurrences_alone ON schedule_occurrences (entry) WHERE state = 'running';
CREATE INDEX schedule_occurrences_open ON schedule_occurrences (due_at) WHERE state IN ('due', 'running');

-- Beat processes and their heartbeats. Normally only the beat that holds the lease in beat_leader sends hints. The
-- lease only avoids superfluous hints: the rows of schedule_occurrences decide what is due.
CREATE TABLE beats (
    beat_id                   uuid PRIMARY KEY,
    hostname                  text NOT NULL,
    pid                       integer NOT NULL,
    started_at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- For each entry with a plain interval: when the beat last sent a hint. Entries with fixed due times have
    -- occurrences instead.
    ticks                     jsonb NOT NULL DEFAULT '{}',
    -- When the beat shut down cleanly. Its row is kept, so that readings can distinguish a stopped beat from one that
    -- never ran.
    stopped_at                timestamptz
);
CREATE TABLE beat_leader (
    only_row                  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    beat_id                   uuid,
    leads_until               timestamptz NOT NULL DEFAULT '2000-01-01',
    -- The sentinel: the worker process that checks the queue, sends alerts and rescues orphans, whether beat runs or
    -- not.
    watcher_id                uuid,
    watches_until             timestamptz NOT NULL DEFAULT '2000-01-01'
);
INSERT INTO beat_leader DEFAULT VALUES;

-- Maintenance operations that run or have run. An operation cannot run twice at the same time, except as a dry run.
-- Each chunk of work first renews the heartbeat of its row. The operation stops if the row's state is no longer
-- `running`.
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
