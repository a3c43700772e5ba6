"""Payloads with a type. Records hold them as JSON with a version; handlers get objects. A payload of an older
version is upgraded before a handler gets it."""
