#!/usr/bin/env bash
# Celery 5.7.0: if a worker runs a task of another application, the Django fixup of that application does not close
# Django's connections before and after the task. With Celery 5.6.3 it closes them. A project's `celery.py` usually sets
# DJANGO_SETTINGS_MODULE itself. So an application that was made before has no Django fixup. If the worker belongs to
# that application, no fixup reacts from 5.7 on: `DjangoFixup.on_worker_init` ignores workers of other applications, and
# says so at the level DEBUG only. A transaction that a task leaves open then also holds the rows of the next task.
# The script uses Django 5.2.8 with SQLite, and no broker. It makes the worker's application, then the project's, and
# then a worker. It opens a connection, and sends the signal that a worker sends before a task.
# Exits with 1 if the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
cat >project_settings.py <<'PYTHON'
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "project.sqlite"}}
SECRET_KEY = "project"
PYTHON
cat >tasks.py <<'PYTHON'
import os
import sys

import celery
from celery import Celery, signals

workers = Celery("workers", broker="memory://", set_as_current=False)
os.environ["DJANGO_SETTINGS_MODULE"] = "project_settings"
project = Celery("project", broker="memory://", set_as_current=False)


@project.task(name="project.task", shared=False)
def task():
    pass


project.loader.import_default_modules()
workers.tasks[task.name] = task
(project if sys.argv[1] == "own" else workers).Worker(pool="solo", loglevel="ERROR")

from django.db import connection

connection.ensure_connection()
signals.task_prerun.send(sender=task, task_id="1", task=task, args=(), kwargs={})
state = "open" if connection.connection else "closed"
print(f"Celery {celery.__version__}, worker of {'its own' if sys.argv[1] == 'own' else 'another'} application: {state}")
PYTHON
for version in 5.6.3 5.7.0; do
  python3 -m venv "venv-$version"
  "venv-$version/bin/pip" install -qq --disable-pip-version-check "celery==$version" django==5.2.8
  for worker in own other; do
    "venv-$version/bin/python" -W ignore tasks.py "$worker" | grep '^Celery'
  done
done | tee said
printf '%s\n' \
  'Celery 5.6.3, worker of its own application: closed' \
  'Celery 5.6.3, worker of another application: closed' \
  'Celery 5.7.0, worker of its own application: closed' \
  'Celery 5.7.0, worker of another application: open' | diff - said >&2
