-- Releases the session's advisory locks, even if the transaction has failed. AND CHAIN begins another transaction,
-- so that PgBouncer keeps the session for the second statement and for the ROLLBACK that follows.
ROLLBACK AND CHAIN;
SELECT pg_advisory_unlock_all();
