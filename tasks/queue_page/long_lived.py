"""Excludes Flower's loaded modules from garbage collection. They stay in memory until Flower's process ends."""

import gc


def keep_what_is_loaded() -> None:
    """Exclude all present objects from garbage collection. A full collection over them would delay the view that is
    being answered. May be called repeatedly."""
    gc.collect()
    gc.freeze()
