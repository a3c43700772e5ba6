"""Excludes Flower's loaded modules from garbage collection, because they stay in memory until Flower's process
ends."""

import gc


def keep_what_is_loaded() -> None:
    """Exclude all objects that exist now from garbage collection. A full collection of these objects would delay an
    answer of the page. This function may be called repeatedly."""
    gc.collect()
    gc.freeze()
