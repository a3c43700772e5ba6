-- Only one test at a time empties the queue of a database. This statement never waits: a waiting statement holds a
-- snapshot, and a migration would wait for that snapshot.
SELECT pg_try_advisory_lock(hashtext('public.processing_queue: queue_tester'))
