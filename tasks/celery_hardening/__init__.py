"""What this project changes in Celery, so that no message ends a worker."""
