"""Findings, alerts with a life, and their notifications."""
