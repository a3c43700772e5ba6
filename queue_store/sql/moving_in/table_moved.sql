UPDATE {jobs} SET {status} = %(moved)s WHERE {id} = ANY(%(ids)s)
