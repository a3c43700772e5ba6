#!/usr/bin/env bash
# Celery 5.7.0: with `celery -A proj worker`, the current directory is on sys.path only while the application is
# imported. If a signal handler or a task later imports a module next to proj.py, the module is not found. `python -m
# celery` puts the directory on sys.path for good, and finds the module. So tests and deployments can differ.
# Exits with 1 if the behaviour has changed. The script takes about twenty seconds.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check celery==5.7.0
mkdir work
cd work
echo "FOUND = True" >helper.py
cat >proj.py <<'PYTHON'
import os
import sys

from celery import Celery
from celery.signals import worker_ready

app = Celery("proj", broker="memory://")


def look(when):
    try:
        import helper

        found = helper.FOUND
    except ModuleNotFoundError:
        found = False
    sys.modules.pop("helper", None)
    with open(os.environ["SEEN"], "a") as seen:
        seen.write(f"{when}: {'found' if found else 'not found'}\n")


look("while the application is imported")


@worker_ready.connect
def ready(**_):
    look("when the worker is ready")
    os._exit(0)
PYTHON

# seen_by COMMAND…: start a worker with this command, and print when the worker finds the module and when not.
seen_by() {
    SEEN=$place/seen timeout 60 "$@" -A proj worker --pool solo >"$place/log" 2>&1 || { cat "$place/log"; exit 1; }
    cat "$place/seen"
    rm "$place/seen"
}

script=$(seen_by ../venv/bin/celery)
module=$(seen_by ../venv/bin/python -m celery)
printf 'celery -A proj worker:\n%s\npython -m celery -A proj worker:\n%s\n' "$script" "$module"
[ "$script" = $'while the application is imported: found\nwhen the worker is ready: not found' ]
[ "$module" = $'while the application is imported: found\nwhen the worker is ready: found' ]
echo "as described"
