"""This queue runs the Celery tasks of pretix, as published on PyPI."""
