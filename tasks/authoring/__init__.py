"""The declarations that the author of a flow writes, with their checks and their registry."""
