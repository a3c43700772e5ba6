"""Run a command while no other process runs a command with the same lock file: `one_at_a_time.py LOCK_FILE COMMAND…`

Without the lock, two first calls of `make run` at the same time would clear each other's virtual environment. The
kernel releases the lock when the command ends.
"""

import fcntl
import os
import sys


def main(lock_file: str, *command: str) -> None:
    lock = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another make is installing here. Waiting for it …", file=sys.stderr, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
