"""The Django app `processing_queue.django`."""

from django.apps import AppConfig


class ProcessingQueueConfig(AppConfig):
    """Models, admin and checks. The backend also works without this app."""

    name = "processing_queue.django"
    label = "processing_queue"
    verbose_name = "Processing queue"

    def ready(self) -> None:
        from .checks import check_databases  # noqa: F401  (registers itself)
