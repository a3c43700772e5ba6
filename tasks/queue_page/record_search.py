"""Reads the search from a browser's arguments. The page, exports, and actions on all found records use this
search."""

import re
from uuid import UUID

from queue_store.readings.record_candidates import MAXIMUM_ID, WorkerFilter
from queue_store.readings.records import RecordFilter
from queue_store.records.record import STATUSES

from .arguments import Arguments, BadInputError

SEARCHED_FOR = (
    *("flow", "status", "error", "key", "run", "worker", "group"),
    *("payload_key", "payload_value", "from", "before"),
)
PAGE_RECORDS = 50
KNOWN_AT_MOST = PAGE_RECORDS // 2  # an index finds at most half of the records of a first page
PID_ON_HOST = re.compile(r"(\d{1,9}) on (\S.*)")


def filter_of(arguments: Arguments) -> RecordFilter:
    """Raises BadInputError."""
    wanted = RecordFilter(
        flow_name=arguments.text("flow"),
        status=arguments.choice("status", STATUSES),
        error=arguments.text("error"),
        key=arguments.text("key"),
        run_id=arguments.uuid("run"),
        worker=_worker(arguments.text("worker")),
        error_group=arguments.text("group"),
        payload_key=arguments.text("payload_key"),
        payload_value=arguments.text("payload_value"),
        created_from=arguments.instant("from"),
        created_before=arguments.instant("before"),
        before_id=arguments.whole("before_id", 1) or MAXIMUM_ID,
        known_ids=_known_ids(arguments.text("known")),
    )
    if wanted.payload_value is not None and wanted.payload_key is None:
        raise BadInputError("payload_key is missing: name the field in which to look for the value")
    if wanted.created_from and wanted.created_before and wanted.created_from >= wanted.created_before:
        raise BadInputError("the parameter `from` must be earlier than the parameter `before`")
    return wanted


def _known_ids(text: str | None) -> tuple[int, ...] | None:
    """Reads the ids that came with `before_id`, separated by commas. `0` stands for no ids, because no record has the
    id 0."""
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) > KNOWN_AT_MOST or "" in parts:
        raise BadInputError(f"known must be at most {KNOWN_AT_MOST} record ids, separated by commas")
    return tuple(Arguments({"known": part}).needed_whole("known") for part in parts)


def _worker(text: str | None) -> WorkerFilter | None:
    """Reads the id of a worker process, a host name, or a process as the pages show it, such as `101 on worker-1`."""
    if text is None:
        return None
    try:
        return WorkerFilter(worker_process_id=UUID(text))
    except ValueError:
        found = PID_ON_HOST.fullmatch(text)
    return WorkerFilter(hostname=found[2], pid=int(found[1])) if found else WorkerFilter(hostname=text)
