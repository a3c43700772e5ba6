-- As Procrastinate cancels jobs that wait; its triggers note the event.
UPDATE {jobs} SET status = 'cancelled' WHERE id = ANY(%(ids)s) AND status = 'todo'
