"""Runs Wagtail's tasks on this queue: `python -m tests.django.wagtail_site PYTHON`. Wagtail comes unchanged from PyPI.

PYTHON is the interpreter of an environment that has wagtail and processing-queue[worker]. Wagtail uses Django tasks
to update its search index and its reference index. This module changes only the settings of the new site.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from tests.support.django_site import database_settings
from tests.support.servers import running_postgres, running_redis
from tests.workers.processes import wait_until

FLOWS = "processing_queue.django.flows"
SETTINGS = """

DATABASES = {{"default": {database!r}}}
INSTALLED_APPS += ["django_tasks", "processing_queue.django"]
TASKS = {{"default": {{"BACKEND": "processing_queue.django.ProcessingQueueBackend"}}}}
"""
PUBLISH = """
from wagtail.models import Page
from home.models import HomePage

home = HomePage.objects.first()
for number in range(20):
    page = HomePage(title=f"Aardvark {number}", slug=f"aardvark-{number}")
    home.add_child(instance=page)
    page.save_revision().publish()
"""
FOUND = "from wagtail.models import Page; print(Page.objects.search('aardvark').count())"
UNFINISHED = "SELECT count(*) FROM processing_queue WHERE status IN ('pending', 'processing')"
SUMMARY = "SELECT flow_name, status, count(*) FROM processing_queue GROUP BY 1, 2 ORDER BY 1, 2"


def main(python: str) -> None:
    """Raises AssertionError if the search index is wrong."""
    with tempfile.TemporaryDirectory() as place, running_postgres() as server, running_redis() as redis_url:
        site = Path(place)
        url = server.database_url(server.create_database())
        environment = {
            **os.environ,
            "CELERY_BROKER_URL": redis_url,
            "DATABASE_URL": url,
            "DEVELOPMENT_DISTRIBUTED_PROCESSOR_FLOW_MODULES": FLOWS,
            "DJANGO_SETTINGS_MODULE": "site8.settings.dev",
        }

        def run(*command: str) -> str:
            done = subprocess.run(
                [python, *command], cwd=site, env=environment, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        run("-m", "wagtail.bin.wagtail", "start", "site8", ".")
        with (site / "site8/settings/base.py").open("a") as settings:
            settings.write(SETTINGS.format(database=database_settings(url)))
        run("manage.py", "queuectl", "migrate")
        run("manage.py", "queuectl", "register")
        run("manage.py", "migrate", "--verbosity=0")
        run("manage.py", "shell", "-c", PUBLISH)
        assert run("manage.py", "shell", "-c", FOUND).split()[-1] == "0"
        log = site / "worker.log"
        with psycopg.connect(url, autocommit=True) as connection, log.open("wb") as output:
            worker = subprocess.Popen(
                [python, "-m", "celery", "-A", "processing_queue", "worker", "-Q", "flows", "-c", "1"],
                cwd=site, env=environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                wait_until(lambda: connection.execute(UNFINISHED).fetchone() == (0,), "the tasks", log, 120)
            finally:
                worker.terminate()
                worker.wait(60)
            for row in connection.execute(SUMMARY):
                sys.stdout.write(f"{row[0]} {row[1]} {row[2]}\n")
        assert run("manage.py", "shell", "-c", FOUND).split()[-1] == "20"
        sys.stdout.write("the search finds all 20 pages\n")


if __name__ == "__main__":
    main(sys.argv[1])
