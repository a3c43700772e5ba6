-- Returns whether `table` names a table and not a view, and whether the id identifies a row. The id identifies a row if
-- its column is NOT NULL and is the only key column of a complete unique index.
SELECT c.relkind IN ('r', 'p') AS is_table, a.attnotnull AND EXISTS (
    SELECT FROM pg_catalog.pg_index i
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indisready
      AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
) AS is_unique
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.oid = to_regclass(%(table)s) AND a.attname = %(id)s
