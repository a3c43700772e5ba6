import os
import sys


def processor_count() -> int:
    """Returns how many processors this process may use. On systems other than Linux, returns the number of processors
    of the machine."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
