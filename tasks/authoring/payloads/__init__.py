"""Payloads with a type: objects for handlers, JSON for records, and the versions of both."""
