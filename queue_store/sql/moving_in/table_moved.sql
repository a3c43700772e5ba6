-- Only waiting rows get the new status. The caller compares the number of rows with the number of records.
UPDATE {jobs} SET {status} = %(moved)s WHERE {id} = ANY(%(ids)s) AND {status}::text = ANY(%(pending)s)
