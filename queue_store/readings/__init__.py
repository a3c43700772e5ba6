"""Typed readings of the queue. Each uses one statement, and none scans history."""
