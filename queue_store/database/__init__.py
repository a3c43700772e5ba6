"""Access to Postgres: connections, statements, schema, roles, and what a driver error means."""
