-- Cancels waiting jobs as Procrastinate itself does; its triggers record the event.
UPDATE {jobs} SET status = 'cancelled' WHERE id = ANY(%(ids)s) AND status = 'todo'
