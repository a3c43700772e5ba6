-- Undoes everything that a handler left in the session: role, settings, cursors, channels, locks and temporary tables.
-- RESET ALL also clears the setting that `open_slice` made, so a COMMIT of the slice's transaction is no longer
-- refused. RESET ALL restores the values with which the session began. Behind PgBouncer, these can be the values of
-- another client, for which PgBouncer opened the session. PgBouncer would then treat them as values that we have set.
-- So the settings that PgBouncer passes on to clients are put back to the values that `open_slice` found.
RESET SESSION AUTHORIZATION;
RESET ROLE;
RESET statement_timeout;
DO $$
DECLARE kept json := nullif(current_setting('processing_queue.settings', true), '')::json;
BEGIN
    RESET ALL;
    PERFORM set_config(name, value, false) FROM pg_catalog.json_each_text(kept) AS setting(name, value)
    WHERE name IN ('application_name', 'TimeZone', 'DateStyle', 'IntervalStyle', 'client_encoding',
            'standard_conforming_strings')
        AND coalesce(current_setting(name, true), '') <> value;
END $$;
CLOSE ALL;
UNLISTEN *;
SELECT pg_advisory_unlock_all();
DISCARD TEMP;
