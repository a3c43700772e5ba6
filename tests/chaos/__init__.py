"""The chaos run: real servers, workers, beats and producers under a seeded schedule of faults, and the ledger that
judges the run.

`make chaos` runs for minutes and writes a report. `test_chaos.py` is the short form.
"""
