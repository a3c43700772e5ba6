from queue_store.errors import QueueStoreError


class EmbeddedServerError(QueueStoreError):
    """`queuectl up` cannot start a server or another of its processes, or cannot keep it running. The message says what
    to do next."""
