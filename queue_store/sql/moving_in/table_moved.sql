-- Only waiting rows get the new status. The caller checks that as many rows changed as there are ids. Without the cast
-- of the ids, Postgres finds no operator that compares text with some types.
UPDATE {jobs} SET {status} = %(moved)s WHERE {id} = ANY(%(ids)s::{id_type}[]) AND {status}::text = ANY(%(pending)s)
