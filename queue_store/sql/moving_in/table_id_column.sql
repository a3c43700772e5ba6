-- Returns whether `table` names a table and not a view, whether the id identifies a row, and whether the id is a time,
-- a date or an interval. The id identifies a row if its column is NOT NULL and is the only key column of a complete
-- unique index.
SELECT c.relkind IN ('r', 'p') AS is_table, a.attnotnull AND EXISTS (
    SELECT FROM pg_catalog.pg_index i
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indisready
      AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
) AS is_unique, (SELECT t.typcategory IN ('D', 'T') FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid) AS is_time
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.oid = to_regclass(%(table)s) AND a.attname = %(id)s
