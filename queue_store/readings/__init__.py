"""Typed readings of the queue. No reading scans history, except the full integrity checks."""
