#!/usr/bin/env bash
# Celery 5.7.0 with Kombu 5.7.0: when a pool child ends, Celery forgets the duplicate of the child's pipe and sets it to
# None. If the connection to the broker breaks before the system reports the end of the child, Celery registers all
# pipes again, including the None. Kombu raises a ValueError for None, and a comment in Kombu says that Celery catches
# this error. But Celery catches only OSError and AttributeError there. Celery's list of connection errors does not
# contain ValueError either, so the main process ends.
# Exits with 1 if the behaviour has changed. The script takes about twenty seconds.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check "celery[redis]==5.7.0" kombu==5.7.0 redis==8.1.0
cat >look.py <<'PYTHON'
import logging
import os
import types

from celery.concurrency.asynpool import AsynPool
from kombu import Connection
from kombu.asynchronous import Hub

logging.disable(logging.CRITICAL)
hub = Hub()
reader, writer = os.pipe()
child = types.SimpleNamespace(_popen=types.SimpleNamespace(sentinel=reader))
pool = types.SimpleNamespace(_event_process_exit=lambda *_: None)
recoverable = Connection("redis://").connection_errors + Connection("redis://").channel_errors


def track():
    """What Celery does with each child when a worker starts, and again after each new connection."""
    try:
        AsynPool._track_child_process(pool, child, hub)
    except Exception as error:
        is_recoverable = isinstance(error, recoverable)
        return f"{type(error).__name__}: {error}; Celery would connect again: {is_recoverable}"
    return "registered"


print("a child that lives:", track())
AsynPool._untrack_child_process(pool, child, hub)
print("a child that has ended:", track())
PYTHON
seen=$(venv/bin/python look.py)
echo "$seen"
[ "$seen" = "a child that lives: registered
a child that has ended: ValueError: file descriptor is None; Celery would connect again: False" ]
echo "as described"
