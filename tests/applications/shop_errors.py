"""Maps the queue's errors to HTTP status codes. 202: not finished yet. 503: the same request can succeed later."""

from processing_queue import (
    IngestionStoppedError,
    NotFinishedError,
    PayloadRejectedError,
    QueueStoreError,
    UnknownFlowError,
    UnknownRecordError,
)

_STATUS_CODES: dict[type[QueueStoreError], int] = {
    UnknownFlowError: 503,
    IngestionStoppedError: 503,
    PayloadRejectedError: 422,
    UnknownRecordError: 404,
    NotFinishedError: 202,
}


def status_code(error: QueueStoreError) -> int:
    """Returns 500 for an error that the shop does not expect."""
    return _STATUS_CODES.get(type(error), 500)
