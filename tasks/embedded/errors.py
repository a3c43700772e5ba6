from queue_store.errors import QueueStoreError


class EmbeddedServerError(QueueStoreError):
    """An embedded server cannot be started. The message says what to do next."""
