"""Prometheus metrics, read from the database. Flower's /metrics and `queuectl metrics-server` serve them."""
