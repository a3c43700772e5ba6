-- Returns no row, because the caller needs only the type of the column. For a domain, Postgres reports the base type.
SELECT {payload} FROM {jobs} LIMIT 0
