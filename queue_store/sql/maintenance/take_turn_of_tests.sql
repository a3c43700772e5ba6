-- Only one test at a time empties the queue of a database. It never waits, because a waiting statement holds a
-- snapshot, for which a migration would wait.
SELECT pg_try_advisory_lock(hashtext('public.processing_queue: queue_tester'))
