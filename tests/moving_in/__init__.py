"""Waiting jobs of other systems become records, each once."""
