-- Whether nobody of this login may write here, whatever a transaction or a session says of itself: a standby, or read-only
-- by default for the server, the database or the login. `reset_val` passes over what the session has set.
SELECT pg_catalog.pg_is_in_recovery()
    OR (SELECT s.reset_val = 'on' FROM pg_catalog.pg_settings s WHERE s.name = 'default_transaction_read_only')
