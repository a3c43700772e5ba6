"""Excludes what a process has loaded from garbage collection, because it stays in memory until the process ends."""

import gc


def keep_what_is_loaded() -> None:
    """Exclude all objects that exist now from garbage collection. A full collection of these objects would delay an
    answer of the Queue page, and takes an eighth of a worker's CPU in a drain of no-op records. This function may be
    called repeatedly."""
    gc.collect()
    gc.freeze()
