"""Judging the queue, keeping its alerts, and telling the contacts."""
