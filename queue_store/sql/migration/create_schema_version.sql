-- The table as Alembic creates it. It must exist before a migration can lock it.
CREATE TABLE public.schema_version (
    version_num varchar(32) NOT NULL, CONSTRAINT schema_version_pkc PRIMARY KEY (version_num))
