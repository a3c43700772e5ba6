-- Only one test at a time empties the queue of a database. Never waits: a statement that waits holds a snapshot, and a
-- migration waits for those.
SELECT pg_try_advisory_lock(hashtext('public.processing_queue: queue_tester'))
