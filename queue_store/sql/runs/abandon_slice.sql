-- Releases the session's advisory locks, also after an error in the transaction. AND CHAIN begins another
-- transaction, so that PgBouncer keeps the session for the second statement and for the ROLLBACK that follows.
ROLLBACK AND CHAIN;
SELECT pg_advisory_unlock_all();
