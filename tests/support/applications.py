"""Typical applications of users, to test that installing the wheel changes nothing in them."""

import textwrap
from dataclasses import dataclass, field
from pathlib import Path

THEIR_TASKS = """
from celery import Celery

app = Celery("shop", broker="memory://")
app.conf.task_default_queue = "shop"


@app.task(name="tasks.send_mail")
def send_mail(address: str) -> str:
    return f"sent to {address}"
"""

THEIR_TEST = """
import tasks

def test_their_tasks_are_theirs():
    assert tasks.send_mail("you") == "sent to you"
    assert tasks.app.main == "shop"
"""

NAMESPACE_TEST = """
from tasks.mail import app, send_mail

def test_their_tasks_are_theirs():
    assert send_mail("you") == "sent to you"
    assert app.main == "shop"
"""

SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["tasks"]
DATABASES = {}
USE_TZ = True
"""

DJANGO_TEST = """
import os
import django
from django.apps import apps

os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
django.setup()

def test_their_application_is_theirs():
    assert apps.get_app_config("tasks").verbose_name == "Their tasks"
    from tasks.jobs import app, send_mail
    assert send_mail("you") == "sent to you"
    assert app.main == "shop"
"""

APP_CONFIG = """
from django.apps import AppConfig

class TasksConfig(AppConfig):
    name = "tasks"
    verbose_name = "Their tasks"
"""

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "shop"
version = "1"

[tool.hatch.build.targets.wheel]
packages = ["src/tasks"]

[tool.hatch.build]
dev-mode-dirs = ["src"]
"""

WITH_CONFIGURATION = """
from celery import Celery

app = Celery("shop")
app.config_from_object("celeryconfig")


@app.task(name="tasks.send_mail")
def send_mail(address: str) -> str:
    return f"sent to {address}"
"""

CONFIGURATION_TEST = """
import celeryconfig
import tasks

def test_their_configuration_is_theirs():
    assert celeryconfig.task_default_queue == "theirs"
    assert tasks.app.conf.task_default_queue == "theirs"
    assert tasks.send_mail("you") == "sent to you"
"""


@dataclass(frozen=True)
class Application:
    """The files of an application. `celery_application`: the module of its Celery application. `is_editable`: whether
    pip installs the application as editable."""

    files: dict[str, str]
    celery_application: str = "tasks"
    is_editable: bool = False
    modules: tuple[str, ...] = field(default=("tasks",))

    def write(self, directory: Path) -> None:
        for name, text in self.files.items():
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text).lstrip())


APPLICATIONS = {
    "a module tasks.py": Application({"tasks.py": THEIR_TASKS, "tests/test_shop.py": THEIR_TEST}),
    "a package tasks": Application({"tasks/__init__.py": THEIR_TASKS, "tests/test_shop.py": THEIR_TEST}),
    "a folder tasks without __init__": Application(
        {"tasks/mail.py": THEIR_TASKS, "tests/test_shop.py": NAMESPACE_TEST},
        celery_application="tasks.mail",
        modules=("tasks.mail",),
    ),
    "a Django application tasks": Application(
        {
            "site_settings.py": SETTINGS,
            "tasks/__init__.py": "",
            "tasks/apps.py": APP_CONFIG,
            "tasks/jobs.py": THEIR_TASKS,
            "tests/test_shop.py": DJANGO_TEST,
        },
        celery_application="tasks.jobs",
        modules=("tasks", "tasks.jobs"),
    ),
    "an src layout, editable": Application(
        {
            "pyproject.toml": PROJECT,
            "src/tasks/__init__.py": THEIR_TASKS,
            "tests/test_shop.py": THEIR_TEST,
        },
        is_editable=True,
    ),
    "a celeryconfig.py of its own": Application(
        {
            "celeryconfig.py": 'broker_url = "memory://"\ntask_default_queue = "theirs"\n',
            "tasks.py": WITH_CONFIGURATION,
            "tests/test_shop.py": CONFIGURATION_TEST,
        },
        modules=("tasks", "celeryconfig"),
    ),
}
