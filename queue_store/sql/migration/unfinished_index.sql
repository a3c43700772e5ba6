-- Returns a DROP INDEX statement for an invalid index, which an interrupted CREATE INDEX CONCURRENTLY left behind.
SELECT format('DROP INDEX CONCURRENTLY public.%%I', c.relname)
FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relnamespace = to_regnamespace('public') AND c.relname = %(index)s AND NOT i.indisvalid
