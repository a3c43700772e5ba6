"""The report of the last day. It is one file that needs no others, so that it can be attached to a mail.

A worker imports the code of the report only when it is time to send one.
"""
