#!/usr/bin/env bash
# Celery 5.7.0: `celeryd_after_setup` is sent after the pool has been built. If a handler of this signal sets the
# worker's time_limit, only the worker's attribute changes: the pool starts with the limit of the command line, and ends
# a process that exceeds it. If the handler changes the pool's own options, they take effect, because the pool has not
# started yet.
# Exits with 1 if the behaviour has changed. The script takes about twenty seconds.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check celery==5.7.0
cat >proj.py <<'PYTHON'
import os

from celery import Celery
from celery.signals import celeryd_after_setup, worker_ready

app = Celery("proj", broker="memory://")
seen = open(os.environ["SEEN"], "a", buffering=1)
workers = []


@celeryd_after_setup.connect
def forget_the_limit(instance, **_):
    workers.append(instance)
    instance.time_limit = None
    if os.environ.get("OPTIONS"):
        instance.pool.options["timeout"] = None


@worker_ready.connect
def ready(**_):
    seen.write(f"worker: {workers[0].time_limit}, pool: {workers[0].pool._pool.timeout}\n")
    workers[0].pool.terminate()
    os._exit(0)
PYTHON

# limits [OPTIONS]: start a worker with --time-limit=7, and print its time limit and that of its running pool.
limits() {
    SEEN=$place/seen OPTIONS=${1:-} timeout 60 venv/bin/celery -A proj worker --pool prefork -c 1 --time-limit=7 \
        >"$place/log" 2>&1 || { cat "$place/log"; exit 1; }
    cat "$place/seen"
    rm "$place/seen"
}

attribute=$(limits)
options=$(limits yes)
printf 'the attribute is set:          %s\nthe options of the pool, too:  %s\n' "$attribute" "$options"
[ "$attribute" = "worker: None, pool: 7.0" ]
[ "$options" = "worker: None, pool: None" ]
echo "as described"
