"""Checking the queue: judge it, store the alerts, notify the contacts."""
