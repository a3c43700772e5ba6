"""Findings, the alerts that follow from them, and the notifications to contacts."""
