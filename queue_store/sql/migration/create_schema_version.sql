-- Creates the table of the schema's version just as Alembic does. A migration can lock this table only if it exists.
CREATE TABLE public.schema_version (
    version_num varchar(32) NOT NULL, CONSTRAINT schema_version_pkc PRIMARY KEY (version_num))
