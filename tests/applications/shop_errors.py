"""The queue's errors as statuses of HTTP. 202: not finished yet. 503: the same request succeeds later."""

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
    """500 for what the shop does not expect."""
    return _STATUS_CODES.get(type(error), 500)
