-- Releases the session's advisory locks, also after an error in the transaction. AND CHAIN keeps the session of PgBouncer
-- until the ROLLBACK that follows.
ROLLBACK AND CHAIN;
SELECT pg_advisory_unlock_all();
