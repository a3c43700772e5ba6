"""Prometheus metrics, read from the database: in Flower's /metrics, and by `queuectl metrics-server`."""
