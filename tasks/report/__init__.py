"""The report of the last day is a single file without references to other files, so that it can be attached to an
e-mail.

A worker imports the code of the report only when it is time to send a report.
"""
