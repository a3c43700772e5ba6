"""Python runs this module in every interpreter that has this directory on its PYTHONPATH. CHAOS_CLOCK names a file with
two clock errors, in seconds: the error for the next call of `time.time`, and the error of its last call. C code still
reads the right time."""

import mmap
import os
import struct
import time
from pathlib import Path

if path := os.environ.get("CHAOS_CLOCK"):
    with Path(path).open("r+b") as clock:
        _page = mmap.mmap(clock.fileno(), 16)
    _true_time = time.time

    def _wrong_time() -> float:
        (step,) = struct.unpack_from("d", _page, 0)
        if step != struct.unpack_from("d", _page, 8)[0]:
            struct.pack_into("d", _page, 8, step)
        return _true_time() + step

    time.time = _wrong_time
