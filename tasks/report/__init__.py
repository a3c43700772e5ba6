"""The report of the last day: one file that needs nothing else, fit to attach to a mail.

A worker imports what writes it when it is time to send one.
"""
