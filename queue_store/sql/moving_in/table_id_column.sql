-- Returns whether `table` names a table and not a view, and whether the id identifies a row. The id identifies a row if
-- its column is NOT NULL and is the only key column of a complete unique index. Also returns the schema and the name of
-- the id's type, the type as the table declares it, and whether the id is an array, an integer, or a time, a date or an
-- interval. A domain counts as its base type, because a cast to a domain can refuse values that are in the table.
SELECT c.relkind IN ('r', 'p') AS is_table, a.attnotnull AND EXISTS (
    SELECT FROM pg_catalog.pg_index i
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indisready
      AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
) AS is_unique, n.nspname::text, b.typname::text,
    pg_catalog.format_type(a.atttypid, a.atttypmod), b.typcategory = 'A' AS is_array,
    b.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) AS is_integer,
    b.typcategory IN ('D', 'T') AS is_time
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
JOIN pg_catalog.pg_namespace n ON n.oid = b.typnamespace
WHERE c.oid = to_regclass(%(table)s) AND a.attname = %(id)s
