-- The last schema before the first release is the one that today's first migration makes.
UPDATE public.schema_version SET version_num = %(first)s WHERE version_num = %(before)s
