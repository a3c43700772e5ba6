-- Contacts that some process has a channel to, by kind of process. Only names: an address is a secret, and stays in the
-- settings of the processes. `hostname`, `pid`: the process that said so last.
CREATE TABLE alert_contacts (
    contact                   text NOT NULL CHECK (contact ~ '^[a-z_]{1,40}$'),
    process_kind              text NOT NULL,
    hostname                  text NOT NULL,
    pid                       integer NOT NULL,
    registered_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (contact, process_kind)
) WITH (fillfactor = 50);
