"""Flows that come with the project: examples that really run."""
