"""Payloads with a type. A record holds its payload as JSON with a version, and a handler gets an object. A payload of
an older version is upgraded before a handler gets it."""
