-- Reads no row: the caller asks for the type of the column. For a domain, Postgres names the type under it.
SELECT {payload} FROM {jobs} LIMIT 0
