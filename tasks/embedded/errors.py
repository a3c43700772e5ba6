from queue_store.errors import QueueStoreError


class EmbeddedServerError(QueueStoreError):
    """An embedded server cannot be started; the message says what to do next."""
