"""Flows in which a record kills its process, or its whole worker, as the record's payload says."""

import ctypes
import os
import resource
import signal
from typing import Any

from tasks import flow

SPARE_BYTES = 64 << 20


@flow(name="poisoned_express", batch_size=50, express=True)
@flow(batch_size=500)
def poisoned(payload: dict[str, Any]) -> None:
    match payload["how"]:
        case "segmentation fault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "memory limit":
            exceed_the_memory_limit()
        case "whole worker":
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        case _:
            pass


def exceed_the_memory_limit() -> None:
    """Uses the result of malloc without a check, as faulty C code does."""
    pages = int(open("/proc/self/statm").read().split()[0])  # noqa: PTH123, SIM115
    limit = pages * os.sysconf("SC_PAGESIZE") + SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    ctypes.memset(libc.malloc(ctypes.c_size_t(4 * SPARE_BYTES)) or 0, 1, 4 * SPARE_BYTES)
