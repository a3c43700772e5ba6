-- The last schema of before the first release is the one that the first migration of today makes.
UPDATE public.schema_version SET version_num = %(first)s WHERE version_num = %(before)s
