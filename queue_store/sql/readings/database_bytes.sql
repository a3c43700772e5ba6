-- How much the database takes on disk. This is too slow for every reading, because the server asks the file system
-- about each file.
SELECT pg_database_size(current_database())
