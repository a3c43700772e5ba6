-- How much the database takes on disk. The server asks the file system about each of its files: not for every reading.
SELECT pg_database_size(current_database())
