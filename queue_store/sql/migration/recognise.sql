-- Renames a schema version: the last version before the first release gets the name of this code's first version. Both
-- versions have the same schema.
UPDATE public.schema_version SET version_num = %(first)s WHERE version_num = %(before)s
