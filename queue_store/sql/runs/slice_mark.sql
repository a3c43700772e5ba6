-- The mark that this transaction leaves in the xmax of each row that it locks.
SELECT pg_current_xact_id_if_assigned()::xid::text
