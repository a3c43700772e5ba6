-- Renames a schema version: the last version before the first release becomes the first version of this code. Both
-- versions have the same schema.
UPDATE public.schema_version SET version_num = %(first)s WHERE version_num = %(before)s
