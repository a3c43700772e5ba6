"""The task library of the installed Django: Django's own from 6.0 on, otherwise the backport `django-tasks`.

Both libraries use the same names, except that InvalidTask and InvalidTaskBackend end in `Error` in the backport.
"""

from importlib import import_module
from typing import Any

import django
from django.core.exceptions import ImproperlyConfigured

IS_OWN = django.VERSION[0] >= 6
NAME = "django.tasks" if IS_OWN else "django_tasks"

try:
    _library: Any = import_module(NAME)
except ImportError:
    raise ImproperlyConfigured(
        f"Django {django.__version__} has no tasks of its own: install the backport, pip install django-tasks"
    ) from None
_base: Any = import_module(f"{NAME}.base")
_exceptions: Any = import_module(f"{NAME}.exceptions")
_suffix = "" if IS_OWN else "Error"

BaseTaskBackend: Any = import_module(f"{NAME}.backends.base").BaseTaskBackend
Task: Any = _base.Task
TaskContext: Any = _base.TaskContext
TaskError: Any = _base.TaskError
TaskResult: Any = _base.TaskResult
TaskResultStatus: Any = _base.TaskResultStatus
InvalidTask: Any = getattr(_exceptions, f"InvalidTask{_suffix}")
InvalidTaskBackend: Any = getattr(_exceptions, f"InvalidTaskBackend{_suffix}")
TaskResultDoesNotExist: Any = _exceptions.TaskResultDoesNotExist
normalize_json: Any = _base.normalize_json
task_backends: Any = _library.task_backends


def signals() -> Any:
    """The module that holds the signals task_enqueued, task_started and task_finished."""
    return import_module(f"{NAME}.signals")
