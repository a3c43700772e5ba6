-- The table of the schema's version, as Alembic creates it. A migration can lock this table only if the table exists.
CREATE TABLE public.schema_version (
    version_num varchar(32) NOT NULL, CONSTRAINT schema_version_pkc PRIMARY KEY (version_num))
