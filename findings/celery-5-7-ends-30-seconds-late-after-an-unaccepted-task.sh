#!/usr/bin/env bash
# Celery 5.7.0 with billiard 4.3.2: a worker that is stopped within milliseconds of a task's arrival may end 30 s late.
# The pool's main process has written the task to a child, but has not yet read that the child accepted it. When the
# pool stops, the main process forgets such a task (`AsynPool.flush`). After that, the main process does not read the
# child's answers any more, because it waits for no task. The child runs the task, and asks every 0.1 s, up to 300
# times, whether its result was read. The script uses Celery's pool without a broker. It stops the pool twice: once
# after the child's answer was read, and once before.
# Exits with 1 if the behaviour has changed. The script takes about 45 s.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check celery==5.7.0 billiard==4.3.2 kombu==5.7.0
cat >stop.py <<'PYTHON'
import time

import billiard
import celery
from celery.concurrency.asynpool import AsynPool
from kombu.asynchronous import Hub, set_event_loop


def task():
    return 1


def turn(hub, loop):
    """Writes and reads what is ready."""
    hub.call_later(0.05, lambda: None)
    next(loop)


def seconds_to_stop(answer_is_read):
    hub = Hub()
    set_event_loop(hub)
    pool = AsynPool(1, threads=False)
    pool.register_with_event_loop(hub)
    loop = hub.create_loop()
    deadline = time.monotonic() + 20
    first = pool.apply_async(task)
    while not first.ready() and time.monotonic() < deadline:
        turn(hub, loop)
    answers = pool._pool[0].outq._reader
    last = pool.apply_async(task)
    if not answer_is_read:
        hub.remove(answers.fileno())
    while not (last.ready() if answer_is_read else answers.poll()) and time.monotonic() < deadline:
        turn(hub, loop)
    if time.monotonic() > deadline:
        raise SystemExit("the child does not accept a task")
    started = time.monotonic()
    pool.flush()
    pool.close()
    pool.join()
    return time.monotonic() - started


if __name__ == "__main__":
    read, unread = seconds_to_stop(True), seconds_to_stop(False)
    print(f"Celery {celery.__version__}, billiard {billiard.__version__}: the pool stops in {read:.0f} s after an answer"
          f" that was read, in {unread:.0f} s after one that was not")
    raise SystemExit(0 if read < 10 and 25 < unread < 40 else 1)
PYTHON
venv/bin/python stop.py
