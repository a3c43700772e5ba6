"""A module of tasks that is named like no module that a worker imports by itself."""

import django

if django.VERSION[0] >= 6:
    from django.tasks import task
else:
    from django_tasks import task


@task
def send() -> None: ...
