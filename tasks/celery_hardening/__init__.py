"""Changes of this project to Celery, so that no message can end a worker."""
