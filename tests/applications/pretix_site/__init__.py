"""Pretix as PyPI has it, its Celery tasks on this queue."""
