-- Takes back whatever a handler left in the session that it was given: settings, role, cursors, channels, locks, tables.
RESET SESSION AUTHORIZATION;
RESET ROLE;
RESET ALL;
CLOSE ALL;
UNLISTEN *;
SELECT pg_advisory_unlock_all();
DISCARD TEMP;
