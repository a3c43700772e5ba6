-- Takes back whatever a handler left in the session that it was given: role, settings, cursors, channels, locks, tables.
-- A transaction that was opened by `open_slice` may be committed after it.
RESET SESSION AUTHORIZATION;
RESET ROLE;
RESET ALL;
CLOSE ALL;
UNLISTEN *;
SELECT pg_advisory_unlock_all();
DISCARD TEMP;
