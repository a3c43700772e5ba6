"""This project's changes to Celery, which ensure that no message can end a worker."""
