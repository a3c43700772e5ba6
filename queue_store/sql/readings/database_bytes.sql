-- The size of the database on disk. Not every reading can include this query: it is slow, because the server asks
-- the file system about each file.
SELECT pg_database_size(current_database())
