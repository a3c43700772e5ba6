"""Pretix, as published on PyPI. This queue runs its Celery tasks."""
