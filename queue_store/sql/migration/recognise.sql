-- Marks a database of the last version before the first release as one of today's first version. Both have the same
-- schema.
UPDATE public.schema_version SET version_num = %(first)s WHERE version_num = %(before)s
