"""A queue in a schema of its own, next to other queues and to tables of others."""
