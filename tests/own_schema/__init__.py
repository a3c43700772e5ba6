"""Tests of a queue in its own schema, next to other queues and to the tables of other applications."""
