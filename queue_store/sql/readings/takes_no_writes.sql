-- Returns true if the server is a standby, or if a default of the server, the database or the login makes transactions
-- read-only. `reset_val` ignores what the transaction or the session has set.
SELECT pg_catalog.pg_is_in_recovery()
    OR (SELECT s.reset_val = 'on' FROM pg_catalog.pg_settings s WHERE s.name = 'default_transaction_read_only')
