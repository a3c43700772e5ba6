"""Real servers, workers, beats and producers under a seeded schedule of faults; and the ledger that judges the run.

`make chaos` runs it for minutes and writes a report; `test_chaos.py` is the short form.
"""
