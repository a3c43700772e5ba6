#!/usr/bin/env bash
# billiard 4.3.2, the pool of Celery 5.7: a process of the pool first runs its initializer, and then installs its own
# handlers for SIGTERM and other signals. So billiard silently replaces a handler that the initializer installs for
# SIGTERM. In Celery, the initializer sends `worker_process_init`, and many applications install their signal handlers
# there. A handler for a signal that billiard does not use, such as SIGWINCH, stays.
# Exits with 1 if the behaviour has changed. The script takes a few seconds.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check billiard==4.3.2
cat >pool.py <<'PYTHON'
import signal
import sys

import billiard
from billiard.pool import Pool


def mine(number, frame):
    pass


def initialize():
    signal.signal(signal.SIGTERM, mine)
    signal.signal(signal.SIGWINCH, mine)


def handlers(_):
    return [signal.getsignal(number).__qualname__ for number in (signal.SIGTERM, signal.SIGWINCH)]


if __name__ == "__main__":
    pool = Pool(1, initialize)
    found = pool.map(handlers, [None])[0]
    pool.close()
    pool.join()
    print(f"billiard {billiard.__version__}: SIGTERM is handled by {found[0]}, SIGWINCH by {found[1]}")
    same = found == ["_shutdown_cleanup", "mine"]
    print("as described" if same else "CHANGED")
    sys.exit(not same)
PYTHON
venv/bin/python pool.py
