"""Access to Postgres: connections, statements, schema, roles, and the meaning of driver errors."""
