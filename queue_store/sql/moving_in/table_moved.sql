-- Only waiting rows get the new status. The caller checks that as many rows changed as there are ids.
UPDATE {jobs} SET {status} = %(moved)s WHERE {id} = ANY(%(ids)s) AND {status}::text = ANY(%(pending)s)
