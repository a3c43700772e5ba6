-- The mark that the locks of this transaction leave in the xmax of the rows that it holds.
SELECT pg_current_xact_id_if_assigned()::xid::text
