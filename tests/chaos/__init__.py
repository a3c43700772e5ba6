"""Runs real servers, workers, beats and producers under a seeded schedule of faults. A ledger judges the run.

`make chaos` runs for a minute, and with `--long` for half an hour. `--report` writes a report.
"""
