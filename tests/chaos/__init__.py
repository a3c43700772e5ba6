"""Real servers, workers, beats and producers under a seeded schedule of faults; and the ledger that judges the run.

`make chaos` runs it for a minute, and with `--long` for half an hour. `--report` writes a report.
"""
