"""Checks the queue: judges it, stores the alerts, and notifies the contacts."""
