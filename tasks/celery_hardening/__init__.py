"""This project's changes to Celery. They ensure that no message can end a worker."""
