"""Lets the Django fixups of applications close Django's connections before and after each task, in our worker, too.

If DJANGO_SETTINGS_MODULE is set when an application is made, Celery gives the application a Django fixup. Often the
project's own module sets this variable, so our worker's application has no fixup. From Celery 5.7 on, the fixup of an
application ignores the workers of other applications
(findings/celery-5-7-closes-no-django-connection-for-a-task-of-another-app.sh). In a spawned child, Celery calls no
fixup.

In the main process, a fixup also closes Django's pools of connections, because a fork must not copy them. In a child,
the pools stay open: all threads share them, and a task of another thread may use them.
"""

from types import SimpleNamespace
from typing import Any

from celery import Celery, _state, signals

from ..app import app

POOL_OF_A_CHILD = SimpleNamespace(pool_cls=object)  # Celery closes Django's pools only if this names prefork

_installed: list[Any] = []


@signals.worker_init.connect
def install_before_the_fork(sender: Any = None, **_: Any) -> None:
    install_django_fixups(sender)


def install_django_fixups(worker: Any = None) -> None:
    """Call this after the import of the flows' modules. Idempotent, also in a forked child. An installed fixup closes
    the connections for the tasks of all applications. So if the worker's application has a fixup, it is enough.
    Without a fixup, nothing of Django is imported. `worker`: Celery's worker; None in a child."""
    if worker is None:
        for fixup in _django_fixups(_state._get_active_apps()):
            fixup.worker_fixup.worker = POOL_OF_A_CHILD
    for fixup in _django_fixups([app]) or _django_fixups(_state._get_active_apps()):
        if fixup in _installed:
            continue
        if worker is not None:
            fixup.worker_fixup.worker = worker
        fixup.worker_fixup.install()
        _installed.append(fixup)


def _django_fixups(applications: Any) -> list[Any]:
    from celery.fixups.django import DjangoFixup

    fixups = [fixup for application in applications for fixup in _fixups_of(application)]
    return [fixup for fixup in fixups if isinstance(fixup, DjangoFixup)]


def _fixups_of(application: Celery) -> list[Any]:
    return getattr(application, "_fixups", None) or []
