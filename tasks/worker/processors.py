import os
import sys


def processor_count() -> int:
    """How many processors this process may use. Only Linux says this; on other systems it is the machine's number of
    processors."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
