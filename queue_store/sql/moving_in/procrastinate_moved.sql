-- Cancels waiting jobs as Procrastinate itself does. Procrastinate's triggers store the event.
UPDATE {jobs} SET status = 'cancelled' WHERE id = ANY(%(ids)s) AND status = 'todo'
