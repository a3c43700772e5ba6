import os
import sys


def processor_count() -> int:
    """How many processors this process may use. Only Linux tells; elsewhere it is what the machine has."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
