SELECT to_regclass('public.schema_version') IS NOT NULL
