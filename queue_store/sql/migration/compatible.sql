SELECT obj_description('public.schema_version'::regclass, 'pg_class')
