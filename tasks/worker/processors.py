import os
import sys


def processor_count() -> int:
    """How many processors this process may use. Only Linux can tell. On other systems, the result is the number of
    processors of the machine."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
